#!/bin/sh
# Installs, upgrades and removes a node's program and its systemd units. State is touched by `uninstall --purge` only.
set -eu

usage() {
    cat <<'USAGE'
usage: install.sh install [--no-restart] [WHEEL|CHECKOUT]
       install.sh rollback
       install.sh uninstall [--purge]

install    Put a release beside the present one, check that it runs, switch to it, and restart nodes that run.
           Without an argument, of the checkout that this script is in.
rollback   Switch back to the release before, and restart nodes that run.
uninstall  Stop the nodes and remove program and units. Keys, ledger and settings stay in /var/lib/noded*, the
           passphrase in /etc/noded; --purge destroys them.

NODED_PYTHON names the Python to use, 3.11 to 3.13.
USAGE
}

here=$(cd "$(dirname "$0")" && pwd)
link=/opt/noded
releases=/opt/noded-releases
tools=$releases/.tools
command=/usr/local/bin/noded
units=/etc/systemd/system
etc=/etc/noded

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

has_systemd() {
    [ -d /run/systemd/system ]
}

find_python() {
    for candidate in ${NODED_PYTHON:-python3.13 python3.12 python3.11 python3}; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
            2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    fail "${NODED_PYTHON:+$NODED_PYTHON does not serve: }Python 3.11 to 3.13 with venv is needed; on Debian:" \
        "apt-get install python3-venv"
}

# Releases have no pip in them; what puts them together has.
make_tools() {
    if ! "$tools/bin/python" -m pip --version >/dev/null 2>&1; then
        rm -rf "$tools"
        "$1" -m venv "$tools"
    fi
}

# Makes the link point to a release in one step: at no time is there no program.
switch_to() {
    ln -s "$1" "$link.new"
    mv -T "$link.new" "$link"
}

restart_nodes() {
    if has_systemd; then
        systemctl daemon-reload
        systemctl try-restart noded.service 'noded@*.service' ||
            fail "a node did not start with it: \`journalctl -u 'noded*' -e\` says why, and what to do"
    fi
}

make_passphrase() {
    install -d -m 0700 "$etc"
    if [ ! -e "$etc/passphrase" ]; then
        (
            umask 077
            head -c 32 /dev/urandom | base64 >"$etc/passphrase"
        )
        echo "made a passphrase in $etc/passphrase; keep a copy where the backups are not"
    fi
}

do_install() {
    restart=yes
    if [ "${1:-}" = --no-restart ]; then
        restart=no
        shift
    fi
    [ $# -le 1 ] || fail "one wheel or checkout at a time"
    source=${1:-$(dirname "$here")}
    case $source in
    *.whl) [ -f "$source" ] || fail "$source: there is no such file" ;;
    *) [ -f "$source/pyproject.toml" ] || fail "$source: neither a wheel nor a checkout" ;;
    esac
    python=$(find_python)
    install -d -m 0755 "$releases"
    release=$(mktemp -d "$releases/$(date -u +%Y%m%dT%H%M%SZ)-XXXXXX")
    trap 'rm -rf "$release"' EXIT
    chmod 0755 "$release"
    make_tools "$python"
    "$python" -m venv --without-pip "$release"
    pip="$tools/bin/python -m pip --python $release/bin/python --quiet --disable-pip-version-check"
    if [ -d "$source" ]; then
        $pip wheel --no-deps --wheel-dir "$release/wheel" "$source"
        source=$(echo "$release"/wheel/noded-*.whl)
    fi
    # Of everything the hash is known, so pip refuses what the lock lacks.
    source=$(realpath "$source")
    echo "$source --hash=sha256:$(sha256sum "$source" | cut -d' ' -f1)" >"$release/program.lock"
    $pip install --require-hashes -r "$here/requirements.lock" -r "$release/program.lock"
    version=$("$release/bin/noded" version --output json) || fail "the new release does not run; nothing was changed"
    install -d "$release/share/doc/noded"
    install -m 0644 "$here/README.md" "$here/default.toml" "$release/share/doc/noded"
    install -d "$release/share/noded"
    install -m 0644 "$here/systemd/noded.service" "$here/systemd/noded@.service" "$release/share/noded"
    if [ -L "$link" ]; then
        ln -s "$(readlink "$link")" "$release/previous"
    fi
    trap - EXIT
    use_release "$release"
    forget_old_releases
    [ -e "$command" ] || ln -s "$link/bin/noded" "$command"
    make_passphrase
    echo "installed $version"
    if [ "$restart" = yes ]; then restart_nodes; elif has_systemd; then systemctl daemon-reload; fi
}

use_release() {
    install -m 0644 "$1/share/noded/noded.service" "$1/share/noded/noded@.service" "$units"
    switch_to "$1"
}

# The one in use and the one before are kept.
forget_old_releases() {
    present=$(readlink "$link")
    previous=$(readlink "$present/previous" || true)
    for each in "$releases"/*; do
        if [ "$each" != "$present" ] && [ "$each" != "$previous" ]; then
            rm -rf "$each"
        fi
    done
}

do_rollback() {
    [ -L "$link" ] || fail "nothing is installed"
    previous=$(readlink "$(readlink "$link")/previous") || fail "there is no release before this one"
    "$previous/bin/noded" version >/dev/null 2>&1 || fail "the release before this one is gone, or its Python is"
    use_release "$previous"
    echo "back to $("$link/bin/noded" version --output json)"
    restart_nodes
}

do_uninstall() {
    purge=no
    case ${1:-} in
    '') ;;
    --purge) purge=yes ;;
    *) fail "uninstall takes --purge only" ;;
    esac
    if has_systemd && [ -e "$units/noded.service" ]; then
        systemctl stop noded.service 'noded@*.service'
        systemctl disable --quiet noded.service 'noded@.service'
    fi
    rm -f "$units/noded.service" "$units/noded@.service" "$command"
    if has_systemd; then systemctl daemon-reload; fi
    rm -rf "$link" "$releases"
    if [ "$purge" = yes ]; then
        rm -rf "$etc" /var/lib/noded /var/lib/noded-* /var/lib/private/noded /var/lib/private/noded-*
        echo "removed the program, all keys and all state"
    else
        echo "removed the program; keys and state stay in /var/lib/noded*, the passphrase in $etc"
    fi
}

[ "$(id -u)" = 0 ] || [ "${1:-}" = --help ] || fail "must be run as root"
action=${1:-}
[ $# -eq 0 ] || shift
case $action in
install) do_install "$@" ;;
rollback) do_rollback ;;
uninstall) do_uninstall "$@" ;;
--help) usage ;;
*)
    usage >&2
    exit 2
    ;;
esac
