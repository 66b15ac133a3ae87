#!/bin/sh
# Start MLflow with passwords. Its settings of authentication can only come from a file.
set -eu
umask 077
cat > /tmp/auth.ini <<END
[mlflow]
default_permission = READ
database_uri = ${MLFLOW_BACKEND_STORE_URI:?}
admin_username = admin
auth_cache_ttl_seconds = 60
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
END
export MLFLOW_AUTH_CONFIG_PATH=/tmp/auth.ini
# gunicorn: several workers of uvicorn add 43 ms to each call (github.com/Kludex/uvicorn/issues/3149)
exec mlflow server --app-name basic-auth --host 0.0.0.0 --port 5000 --workers 2 \
  --gunicorn-opts "--log-level warning"
