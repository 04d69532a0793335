#!/usr/bin/env bash
# Measure, and print Markdown: the site as its users meet it, warm calls against
# a bare reverse proxy in the same run, durable jobs, cutouts under overload, starts
# of Python against bare imports, and the allocations of a warm call. It starts what
# it measures.
set -euo pipefail
cd "$(dirname "$0")/.."
go run ./bench/site
go run ./bench/warm -stream 256
go run ./bench/jobs
go run ./bench/soda
go run ./bench/starts
go test ./server -run '^$' -bench Echo -benchtime 3s
