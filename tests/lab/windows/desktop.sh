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
# Another drive, and a share of another computer as far as Wine tells one.
mkdir -p /wine/dosdevices/unc/nas /srv/share /srv/drive
ln -sfn /srv/drive /wine/dosdevices/d:
ln -sfn /srv/share /wine/dosdevices/unc/nas/share
temp="C:\\users\\$1\\AppData\\Local\\Temp"
mkdir -p "/wine/drive_c/users/$1/AppData/Local/Temp"
# What Wine does not take over from its own environment.
for pair in "TEMP=$temp" "TMP=$temp" QT_QPA_PLATFORM=windows; do
  wine reg add 'HKCU\Environment' /f /v "${pair%%=*}" /d "${pair#*=}" >/dev/null
done
