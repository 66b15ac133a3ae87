#!/bin/sh
# Copy the database, then the artifacts: ./backup.sh FOLDER, in the folder of compose.yaml.
# In this order every version in the copy of the database has its files in the copy of the bucket:
# files are uploaded before a version is made of them, and are never changed.
set -eu
to=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "$0")"
docker compose exec -T postgres pg_dump -U mlflow --format=custom mlflow > "$to/mlflow.dump.partial"
mv "$to/mlflow.dump.partial" "$to/mlflow.dump"
docker compose run --rm --no-deps -v "$to:/backup" bucket mirror storage/mlflow /backup/artifacts
