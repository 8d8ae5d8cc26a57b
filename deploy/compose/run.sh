#!/bin/sh
# Starts the trial's run once the silos are there, and follows it to its end. Run again it follows the same run.
set -eu
coordinator=${FEDROT_COORDINATOR:-coordinator:9470}
credential=${FEDROT_CREDENTIAL:-/shared/trial}
trial=${TRIAL:-/trial}
fedrot() { node /app/dist/cli/main.js "$@"; }

fedrot run create --file "$trial/run.yaml" --bundle "$trial/bundle" --run-id trial \
  --coordinator "$coordinator" --credential "$credential" ||
  fedrot run show trial --coordinator "$coordinator" --credential "$credential" >/dev/null
echo 'trial: the dashboard is at http://localhost:9471, Grafana at http://localhost:3000, Prometheus at http://localhost:9090'
exec node /app/dist/cli/main.js run watch trial --coordinator "$coordinator" --credential "$credential"
