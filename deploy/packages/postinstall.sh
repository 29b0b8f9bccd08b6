#!/bin/sh
# Creates the system user and starts nothing that was not running: a new server is enabled by its operator.
set -e
if ! getent passwd carillon >/dev/null; then
	if command -v systemd-sysusers >/dev/null; then
		systemd-sysusers carillon.conf
	else
		useradd --system --user-group --home-dir /var/lib/carillon --shell /usr/sbin/nologin --comment "Carillon push server" carillon
	fi
fi
chown root:carillon /etc/carillon/carillon.yaml
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl try-restart carillon.service
fi
