#!/bin/sh
# Begins a Windows desktop, in its container: its user ($1) at home in C:\users, its locale ($2).
set -eu
sed -i "s/^Administrator:/$1:/" /etc/passwd
cat >/lab/environment <<END
export LC_ALL=$2 LANG=$2 WINEPREFIX=/wine WINEDEBUG=-all HOME=/root XDG_RUNTIME_DIR=/run
END
. /lab/environment
wineserver -p
wine cmd /c exit
temp="C:\\users\\$1\\AppData\\Local\\Temp"
wine cmd /c "if not exist \"$temp\" mkdir \"$temp\""
for name in TEMP TMP; do
  wine reg add 'HKCU\Environment' /f /v $name /d "$temp" >/dev/null
done
