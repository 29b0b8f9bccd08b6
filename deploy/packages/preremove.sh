#!/bin/sh
# Stops the service when the package goes; an upgrade (deb: "upgrade", rpm: 1) restarts it afterwards.
set -e
case "$1" in upgrade | 1) exit 0 ;; esac
if [ -d /run/systemd/system ]; then
	systemctl disable --now carillon.service
fi
