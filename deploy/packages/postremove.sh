#!/bin/sh
# Lets systemd forget the unit. The system user stays: files of its may be left.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
