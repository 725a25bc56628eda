#!/bin/sh
# Runs a Windows program in the machine as it was begun: with its locale.
. /lab/environment
exec wine "$@"
