"""`python -m noded` is `noded`."""

from noded.cli import main

if __name__ == "__main__":
    main()
