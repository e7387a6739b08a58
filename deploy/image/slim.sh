#!/bin/sh
# Take out of a virtual environment what only packages' own developers need, and compile the rest.
# usage: slim.sh FOLDER
set -eu
site=$(echo "$1"/lib/python3.*/site-packages)

find "$site" -type d \( -name tests -o -name __pycache__ \) -prune -exec rm -rf {} +
find "$site" -type f \( -name '*.pxd' -o -name '*.pyx' -o -name '*.pyi' -o -name '*.c' -o -name '*.h' -o -name '*.hpp' \) -delete
rm -rf "$site"/pyarrow/include "$site"/pyarrow/src "$site"/pyarrow/includes
# Arrow's network protocol and its reader of Amazon's store: loaded only by who imports pyarrow.flight or asks for s3://.
# The other names of its Python library, which a wheel holds as copies, serve compilers.
rm -f "$site"/pyarrow/libarrow_flight* "$site"/pyarrow/libarrow_python_flight* "$site"/pyarrow/_flight* \
    "$site"/pyarrow/libarrow_s3* "$site"/pyarrow/_s3fs* \
    "$site"/pyarrow/libarrow_python*.so "$site"/pyarrow/libarrow_python*.so.*.*
find "$site"/statsmodels/datasets -name '*.csv' -delete
rm -rf "$site"/matplotlib/mpl-data/sample_data "$site"/matplotlib/mpl-data/images

"$1/bin/python" -m compileall -q -j 0 --invalidation-mode unchecked-hash -x '/mako/testing/|lib2to3' "$site"
# What is left must still be whole; a package that wanted what was taken fails the build here.
"$1/bin/python" -B -c '
import alembic, bs4, curl_cffi, exchange_calendars, hmmlearn.hmm, ib_insync, jinja2, joblib, jsonschema, msgspec
import matplotlib.backends.backend_agg, matplotlib.backends.backend_svg, numpy, pandas, prometheus_client, psycopg
import pyarrow, pyarrow.csv, pyarrow.parquet, pybreaker, requests, rich, scipy.optimize, scipy.stats, sklearn.cluster
import sqlalchemy, starlette, statsmodels.tsa.stattools, tenacity, typer, uvicorn, yfinance
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from pythonjsonlogger.json import JsonFormatter
'
