#!/usr/bin/env bash
# Measure, and print Markdown: the site as its users meet it, then warm calls
# against a bare reverse proxy in the same run.
set -euo pipefail
cd "$(dirname "$0")/.."
go run ./bench/site
go run ./bench/warm
