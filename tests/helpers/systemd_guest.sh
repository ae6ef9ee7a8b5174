# Run as the first process of new namespaces: makes a root of its own over the machine's, and becomes systemd in it.
# usage: sh systemd_guest.sh FOLDER [SOURCE:PLACE]...   each SOURCE of the machine is seen, read-only, at PLACE.
set -eu
folder=$1
shift
mount --make-rprivate /
mount -t tmpfs tmpfs "$folder"
mkdir "$folder/upper" "$folder/work" "$folder/root"
root=$folder/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$root"
for pair in "$@"; do
    place=$root/${pair#*:}
    mkdir -p "$place"
    mount --bind "${pair%%:*}" "$place"
    mount -o remount,bind,ro "$place"
done
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
# What the machine itself starts does not belong here.
rm -rf "$root"/etc/systemd/system/*.wants
: >"$root/etc/machine-id"
cd "$root"
mkdir -p .machine
pivot_root . .machine
cd /
umount -l /.machine
# Services get their mounts from here; without this LoadCredential leaves an empty folder.
mount --make-rshared /
echo prepared
exec env -i container=unshare PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=basic.target
