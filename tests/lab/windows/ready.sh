#!/bin/sh
# Waits until every server of the machine has said that it is ready, a minute at most.
set -eu
for server in /lab/drive/*_server.py; do
  log=/lab/$(basename "$server" .py).log
  tries=0
  until grep -q '^ready' "$log" 2>/dev/null; do
    tries=$((tries + 1))
    if [ $tries -gt 600 ]; then
      echo "$server did not come up:" >&2
      cat "$log" >&2
      exit 1
    fi
    sleep 0.1
  done
done
