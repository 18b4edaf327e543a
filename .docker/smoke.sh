#!/usr/bin/env bash
# The services of docs/containers.md, once, with a Docker engine: up, runs, what is refused, a dump
# that is restored. It ends at the first thing that is not as it should be. It removes the services
# and their volumes at the end; .secrets stays.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }

refuse() {
	if "$@" >/dev/null 2>&1; then
		echo "This should not be possible: $*" >&2
		exit 1
	fi
}

wait_until_healthy() {
	for _ in $(seq 90); do
		[ "$(docker compose ps --format '{{.Health}}' "$1")" = healthy ] && return
		sleep 2
	done
	echo "$1 is not healthy" >&2
	exit 1
}

in_warehouse() {
	docker compose exec --no-TTY postgres psql --username=postgres --dbname=sales --tuples-only --no-align --command "$1"
}

say "Secrets are made once, and only their reader can open them"
docker compose run --rm secrets
docker compose run --rm secrets | grep -q "nothing was changed"
[ "$(id -u)" = 0 ] || refuse cat .secrets/funnel_masking_key

say "The services come up, the deployments are there"
docker compose up --detach
wait_until_healthy worker
docker compose exec worker prefect deployment ls
curl --fail --silent --show-error --output /dev/null http://127.0.0.1:4200/

say "The sample is loaded, and a deployment runs"
docker compose run --rm load-sample
docker compose exec worker prefect deployment run sales-funnel/hourly-postgres --watch
docker compose exec worker prefect deployment run sales-funnel/daily-duckdb --watch
[ "$(in_warehouse 'SELECT count(*) FROM marts.rep_sales_funnel_monthly')" = 288 ]
docker compose cp worker:/app/reports/out ./smoke-reports
grep -q "</html>" smoke-reports/sales_funnel.html
grep -q "</html>" smoke-reports/hourly/sales_funnel.html
rm -rf smoke-reports

say "The image holds no tool, no secret and nothing that can be written"
[ "$(docker compose exec worker id -u)" = 10001 ]
for tool in pip gcc make; do refuse docker compose exec worker "$tool" --version; done
refuse docker compose exec worker touch /app/flows/new /usr/new
docker compose ps --all --quiet | xargs docker inspect > smoke.json
for secret in .secrets/funnel_masking_key .secrets/postgres_password; do
	refuse grep --fixed-strings "$(sudo cat "$secret")" smoke.json
done
rm smoke.json

say "Notebooks"
docker compose --profile notebooks up --detach jupyter
wait_until_healthy jupyter

say "A backup is restored, and the services come back after a stop"
docker compose exec --no-TTY postgres pg_dump --username=postgres --format=custom sales > smoke.dump
docker compose exec --no-TTY postgres pg_restore --username=postgres --dbname=sales --clean --if-exists < smoke.dump
rm smoke.dump
docker compose --profile notebooks down
docker compose up --detach
wait_until_healthy worker
[ "$(in_warehouse 'SELECT count(*) FROM marts.rep_sales_funnel_monthly')" = 288 ]

docker compose --profile "*" down --volumes
say "All is well"
