"""What the consensus key refuses to sign, and what is wrong with keys and their files."""

from pathlib import Path

from noded.errors import ConfigError, UnsafeToSign


class BelowWatermark(UnsafeToSign):
    """Nothing new is signed at or below the watermark: what was signed there may be forgotten here (K4)."""

    def __init__(self, *, epoch: int, view: int) -> None:
        super().__init__(f"epoch {epoch} view {view} is not above the watermark; go on from a later view")
        self.epoch = epoch
        self.view = view


class ConflictingVote(UnsafeToSign):
    """The key voted otherwise in this view (K1, K2)."""

    def __init__(self, *, epoch: int, view: int, wanted: str, signed: str) -> None:
        super().__init__(f"{wanted} in epoch {epoch} view {view} contradicts this key's {signed} there")
        self.epoch = epoch
        self.view = view
        self.wanted = wanted
        self.signed = signed


class ConflictingProposal(UnsafeToSign):
    """The key proposed another block in this view (K3)."""

    def __init__(self, *, epoch: int, view: int) -> None:
        super().__init__(f"this key proposed another block in epoch {epoch} view {view}")
        self.epoch = epoch
        self.view = view


class KeyProblem(ConfigError):
    """Something is wrong with a key, its file or its passphrase; the operator can mend it."""

    def __init__(self, path: Path | str, what: str, way_out: str) -> None:
        super().__init__(f"{path}: {what}; {way_out}")
        self.path = Path(path)


class KeystoreMissing(KeyProblem):
    """There is no keystore in this folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "there is no keystore here", "check the home folder, or run `noded init`")


class KeystoreExists(KeyProblem):
    """A keystore is already in this folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "a keystore is already here", "use it, or choose another folder")


class KeyMissing(KeyProblem):
    """The keystore has no key of this name."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(path, f"there is no key {name!r}", "see `noded keys list`, or import it")
        self.name = name


class NamedKeyMissing(KeyProblem):
    """The keystore has none of the keys of this use that the ledger names."""

    def __init__(self, path: Path, use: str, key: bytes) -> None:
        super().__init__(
            path,
            f"the ledger names the {use} key {key.hex()}, which is not here",
            "import it (`noded keys import`)",
        )
        self.key = key


class KeyExists(KeyProblem):
    """The keystore has a key of this name, which would be lost."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(
            path, f"there is a key {name!r} already", "choose another name, or move its file away"
        )
        self.name = name


class BadKeyName(KeyProblem):
    """The name cannot be a file's."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(path, f"{name!r} is no name for a key", "use 1 to 64 of a-z, 0-9 and -")
        self.name = name


class FileExposed(KeyProblem):
    """Other users may read or write a file that holds a secret."""

    def __init__(self, path: Path, mode: int) -> None:
        super().__init__(
            path,
            f"other users have access to it (mode {mode:04o})",
            f"run `chmod {'700' if path.is_dir() else '600'} {path}`, and replace the secret if they may have used it",
        )
        self.mode = mode


class KeyFileDamaged(KeyProblem):
    """The file is no key of ours, or was changed."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, f"is damaged or no key file ({reason})", "restore it from a backup")


class PassphraseMissing(KeyProblem):
    """No passphrase was given, or none where one was said to be."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(
            path,
            reason,
            "give the passphrase in a file, through a descriptor, or as the systemd credential `noded-passphrase`",
        )


class PassphraseUnneeded(KeyProblem):
    """A passphrase was given for keys that are not encrypted; surely not what the operator believes."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path, "these keys are not encrypted", "give no passphrase, or move them to a keystore with one"
        )


class WrongPassphrase(KeyProblem):
    """The passphrase opens nothing here, or the file was changed; which of them cannot be told."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "the passphrase does not open it, or the file was changed", "try another one")
