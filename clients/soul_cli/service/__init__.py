"""The daemon as a service that starts at login: systemd, launchd, Windows' Task Scheduler."""
