#!/bin/sh
# Makes a Windows machine new, in its container: ends all that runs in it, lays drive C: anew and
# starts its servers. The locale ($1) decides its code page and language.
set -eu

wineserver -k 2>/dev/null || true
# wineserver ends the programs of its drive; a program that hangs on its way out must not stay.
pids=$(grep -lzE '\.exe|wineserver' /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3) || true
for pid in $pids; do kill -KILL "$pid" 2>/dev/null || true; done
mkdir -p /wine
find /wine -mindepth 1 -delete
cp -a /pristine/. /wine

cat >/lab/environment <<END
export LC_ALL=$1 LANG=$1 WINEPREFIX=/wine WINEDEBUG=-all HOME=/root XDG_RUNTIME_DIR=/run
END
. /lab/environment
# Without it Wine ends, services included, with the last program in the foreground.
wineserver -p
cp -r /lab/drive /wine/drive_c/lab
for server in /lab/drive/*_server.py; do
  name=$(basename "$server" .py)
  setsid wine 'C:\py\python.exe' -u "C:\\lab\\$name.py" "C:\\lab\\$name.json" \
    >"/lab/$name.log" 2>&1 </dev/null &
done
