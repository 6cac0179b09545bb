"""The supervisor process: sockets, sessions, diary, jobs. Never imports torch."""
