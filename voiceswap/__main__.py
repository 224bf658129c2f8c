"""`python -m voiceswap`."""

from voiceswap.shell.cli import main

if __name__ == "__main__":
    main()
