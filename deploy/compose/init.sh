#!/bin/sh
# Makes what the trial of docker-compose.yml needs to trust each other: a token and a credential for every silo, an operator's
# credential for the command line, and the HTTP token for Prometheus. Run again it changes nothing.
set -eu
coordinator=${FEDROT_COORDINATOR:-coordinator:9470}
shared=${SHARED:-/shared}
admin=${ADMIN_CREDENTIAL:-/coordinator-data/pki/admin}
http_token=${HTTP_TOKEN:-/coordinator-data/pki/http-token}
fedrot() { node /app/dist/cli/main.js "$@"; }
field() { node -e 'process.stdout.write(String(JSON.parse(require("fs").readFileSync(0, "utf8"))[process.argv[1]]))' "$1"; }

enrol() { # KIND NAME FOLDER
  [ ! -d "$shared/$2" ] || return 0
  case $1 in
    silo) answer=$(fedrot token create --silo "$2" --coordinator "$coordinator" --credential "$admin" --json) ;;
    operator) answer=$(fedrot token create --operator "$2" --role operator --coordinator "$coordinator" --credential "$admin" --json) ;;
  esac
  FEDROT_TOKEN=$(printf %s "$answer" | field token) fedrot enrol --coordinator "$coordinator" \
    --fingerprint "$(printf %s "$answer" | field fingerprint)" --credential "$shared/.new-$2"
  mv "$shared/.new-$2" "$shared/$2"
}

for silo in silo-1 silo-2 silo-3 evaluator; do enrol silo "$silo"; done
enrol operator trial
# Prometheus runs as a user of its own.
cp "$http_token" "$shared/http-token"
chmod 0644 "$shared/http-token"
echo 'trial: certificates and tokens are ready'
