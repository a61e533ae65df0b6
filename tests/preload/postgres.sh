#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# PostgreSQL, which forks a process for each client, prints the same on the preload library as on
# libc, logs no error, and ends as it should. The heap of each process lies in a file of its own.
#
# PROGRAMS_LARGE=1 makes the databases larger.

. "$(dirname "$0")/lib.sh"

scale=1 transactions=200
[ "${PROGRAMS_LARGE:-0}" != 1 ] || scale=20 transactions=5000
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -x "$bin/postgres" ] || skip "no PostgreSQL here (Debian: postgresql)"
command -v setpriv >/dev/null || skip "no setpriv here (Debian: util-linux)"

# PostgreSQL refuses to run as root. The other user may not be allowed to read the build.
user=()
if [ "$(id -u)" = 0 ]; then
    user=(setpriv --reuid nobody --regid nogroup --clear-groups)
    chown nobody "$work" "$work/pmem"
fi
cp -L "$library" "$work/libpreload.so"
cp -L "$MEMKIND_SO" "$work/libmemkind.so.0"
chmod a+r "$work"/*.so*

# The library's variables, for programs of PostgreSQL that are run on it.
on_library=(LD_PRELOAD="$work/libpreload.so" LD_LIBRARY_PATH="$work"
    MEMKIND_PRELOAD_DIR="$work/pmem" MEMKIND_PRELOAD_STRICT=1)

# run [NAME=VALUE...] PROGRAM ARGUMENT...: runs a program of PostgreSQL as the other user.
run()
{
    "${user[@]}" env --chdir "$work" PATH="$bin:$PATH" PGHOST="$work" PGUSER=bench \
        PGDATABASE=bench "$@" 2>"$work/err" || { cat "$work/err" "$log"; fail "$*"; }
}

# start DATA [NAME=VALUE...]: starts a server with these variables.
start()
{
    local data=$1
    shift
    log=$data.log
    : >"$log"
    run "$@" initdb -D "$data" -A trust -U bench --no-locale -E UTF8 -N >/dev/null
    "${user[@]}" env "$@" "$bin/postgres" -D "$data" -k "$work" -c listen_addresses= \
        -c fsync=off -c work_mem=64MB -c max_parallel_workers_per_gather=2 >"$log" 2>&1 &
    server=$!
    for ((i = 0; i < 300; i++)); do
        ! "$bin/pg_isready" -q -h "$work" -U bench -d postgres || return 0
        kill -0 $server 2>/dev/null || break
        sleep 0.1
    done
    cat "$log"
    fail "the server does not start"
}

stop()
{
    kill -INT $server
    wait $server || { cat "$log"; fail "the server ended with $?"; }
    server=
    ! grep -E 'WARNING|ERROR|FATAL|PANIC|signal' "$log" || fail "the server's log"
}

# In a process of several clients each, and in one for each transaction. What a client does follows
# from the seed, and the sums do not depend on the order.
bench()
{
    run createdb bench
    run pgbench -i -q -s $scale >/dev/null
    run pgbench -n -c 4 -j 2 -t $transactions --random-seed=5 >/dev/null
    run pgbench -n -c 3 -j 1 -t 10 -C --random-seed=6 >/dev/null
    run psql -At -c "select count(*), sum(abalance), sum(abalance * aid::numeric)
                     from pgbench_accounts" \
        -c "select count(*), sum(delta), sum(delta * aid::numeric) from pgbench_history" \
        -c "select bid, bbalance from pgbench_branches order by bid"
}

# A heap of many MiB in one process, and processes that a query starts. The last line is the part of
# the heap that is in a file, in KiB: only the library's has any.
query()
{
    run psql -At -v ON_ERROR_STOP=1 <<'END'
create table words as
    select i, md5(i::text) as word, repeat('x', i % 50) as tail from generate_series(1, 200000) i;
create unique index on words(i);
analyze words;
select left(word, 2) as start, count(*), sum(length(tail)), min(word), max(i)
    from words group by start order by 2 desc, 1 limit 5;
set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0;
select count(distinct left(a.word, 4)), sum(length(b.tail)) from words a join words b using (word);
select md5(string_agg(word, ',' order by word desc)) from words;
prepare find as select count(*) from words where word like $1 || '%';
execute find('a1'); execute find('77');
do $$ begin for k in 1..500 loop
    update words set tail = md5(tail) where i = k;
end loop; end $$;
select pg_backend_pid() as pid \gset
\setenv BACKEND :pid
begin;
declare rows cursor for select word, tail from words order by tail, word;
fetch 3 from rows;
\! cat /proc/$BACKEND/smaps >smaps
commit;
END
    awk -v dir="$work/pmem" '/^[0-9a-f]+-[0-9a-f]+ / { file = index($0, dir) }
        /^Rss:/ && file { sum += $2 } END { print sum + 0 }' "$work/smaps" >"$work/in_file"
}

server=
trap '[ -z "$server" ] || kill $server || true; wait; rm -rf "$work"' EXIT

start "$work/libc"
{ bench; query; } >"$work/without"
stop
[ "$(cat "$work/in_file")" = 0 ] || fail "libc's heap is in a file"

start "$work/preloaded" "${on_library[@]}"
{ bench; query; } >"$work/with"
stop
[ "$(cat "$work/in_file")" -ge 8192 ] || fail "only $(cat "$work/in_file") KiB are in the file"

[ -s "$work/with" ] || fail "nothing was printed"
diff "$work/without" "$work/with" || fail "the results differ (<: on libc)"
[ -z "$(ls -A "$work/pmem")" ] || fail "left behind: $(ls -A "$work/pmem")"
