"""docs/OPERATIONS.md, followed to its end: the commands of its procedures run as they are written, one after the other.

Real: PostgreSQL, Redis, coffer, nginx with TLS, psql, pg_dump, pg_restore, curl. In place of the machine's own: paths of
/etc and /var, ports, the database's name, and systemctl and apt-get, which start and stop coffer or do nothing."""
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECTIONS = ("From nothing to the first request", "Change a balance by hand", "Back up and restore", "Roll back")
DATABASE = "coffer_procedure"

PRELUDE = r'''
set -euo pipefail
cd "$SCRATCH"
starts=0  # of coffer
sudo() { shift 2; "$@"; }  # -u postgres: the session is the superuser's already
apt-get() { :; }
coffer() {
  if [ "$1" != doctor ]; then "$COFFER_BINARY" "$@"; return; fi
  # The tests' PostgreSQL does without fsync, which doctor rightly refuses.
  "$COFFER_BINARY" "$@" > doctor.out || true
  cat doctor.out
  grep -q 'A server with these settings would' doctor.out && ! grep '^failed' doctor.out | grep -v '^failed  durability'
}
curl() { command curl --max-time 20 --cacert "$SCRATCH/etc/coffer/tls/chain.pem" \
  --resolve "coffer.example.com:$TLS_PORT:127.0.0.1" "$@"; echo; }
nginx() { command nginx -p "$SCRATCH/nginx" -c "$SCRATCH/nginx/nginx.conf" -e "$SCRATCH/nginx/error.log" "$@"; }
stop_coffer() {
  [ -s coffer.pid ] || return 0
  kill "$(cat coffer.pid)" 2> /dev/null || true
  for _ in $(seq 200); do kill -0 "$(cat coffer.pid)" 2> /dev/null || break; sleep 0.1; done
  rm -f coffer.pid
}
stop_all() {
  stop_coffer
  if [ -s nginx/nginx.pid ]; then kill "$(cat nginx/nginx.pid)" || true; fi
}
trap stop_all EXIT
systemctl() {
  case "$*" in
    'enable --now coffer' | 'start coffer')
      "$COFFER_BINARY" serve --env-file etc/coffer/environment >> coffer.log 2>&1 &
      echo $! > coffer.pid
      # Type=notify: systemctl waits until the server says that it serves.
      for _ in $(seq 200); do
        if [ "$(grep -c '"event":"listening"' coffer.log)" = "$((++starts))" ]; then return; fi
        starts=$((starts - 1))
        sleep 0.1
      done
      echo 'coffer does not start'; tail -n 20 coffer.log; return 1
      ;;
    'stop coffer') stop_coffer ;;
    'reload nginx') nginx ;;
    *) ;;
  esac
}
'''

# What the documents promise of the proxy: an upload of more lines than fit a buffer, and the client's own address.
EPILOGUE = r'''
# There is no older program here: the schema goes up again.
systemctl stop coffer
coffer migrate up --database-url 'postgresql://coffer_owner@DATABASE'
systemctl start coffer
coffer healthcheck --env-file etc/coffer/environment
KEY=$(coffer key create --env-file etc/coffer/environment --name again --scopes admin)
for i in $(seq 3000); do
  printf '{"user_id":1,"credits":1,"reason":"test","idempotency_key":"bulk-%s"}\n' "$i"
done > lines
curl -fsS -T lines -X POST "https://coffer.example.com:$TLS_PORT/grants/bulk" -H "Authorization: Bearer $KEY" \
  -H 'Content-Type: application/x-ndjson' -H 'X-Forwarded-For: 203.0.113.9' > answers
tail -n 2 answers
coffer verify --env-file etc/coffer/environment | tail -n 1
grep -q '"lines":3000,"granted":3000,.*"complete":true' answers
grep '/grants/bulk' coffer.log | grep -q '"peer":"203\.0\.113\.9"'
'''


def blocks(document):
    """The sh blocks of the procedures, as (first line, commands)."""
    text = document.read_text(encoding="utf-8")
    found = []
    for title in SECTIONS:
        begin = text.index(f"## {title}\n")
        end = text.find("\n## ", begin)
        for block in re.finditer(r"^( *)```sh\n(.*?)^ *```$", text[begin:end], re.S | re.M):
            lines = [line.removeprefix(block[1]) for line in block[2].splitlines(True)]
            found.append((text.count("\n", 0, begin + block.start()) + 2, "".join(lines)))
    return found


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def superuser():
    """PGHOST and so on of the server that DATABASE_URL names."""
    url = urllib.parse.urlsplit(os.environ["DATABASE_URL"])
    query = dict(urllib.parse.parse_qsl(url.query))
    return {"PGHOST": query.get("host") or url.hostname, "PGPORT": str(query.get("port") or url.port or 5432),
            "PGUSER": url.username or "postgres", "PGPASSWORD": url.password or "", "PGDATABASE": "postgres"}


def prepare(scratch, ports):
    """What a machine has before: folders, nginx's own settings, a certificate."""
    for folder in ("etc/coffer/tls", "etc/nginx/conf.d", "backups", "nginx/logs"):
        (scratch / folder).mkdir(parents=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=coffer.example.com", "-addext", "subjectAltName=DNS:coffer.example.com",
                    "-keyout", scratch / "etc/coffer/tls/key.pem", "-out", scratch / "etc/coffer/tls/chain.pem"],
                   check=True, capture_output=True)
    (scratch / "nginx/nginx.conf").write_text(
        f"pid {scratch}/nginx/nginx.pid;\nevents {{}}\nhttp {{\n  access_log off;\n  client_body_temp_path body;\n"
        f"  proxy_temp_path proxy;\n  fastcgi_temp_path fastcgi;\n  uwsgi_temp_path uwsgi;\n  scgi_temp_path scgi;\n"
        f"  include {scratch}/etc/nginx/conf.d/*.conf;\n}}\n", encoding="utf-8")
    # Without the spaces that the checkout's own path may have.
    (scratch / "examples").symlink_to(ROOT / "deploy")
    (scratch / "nginx.sed").write_text(
        f"s/listen 443/listen 127.0.0.1:{ports[2]}/\ns/127.0.0.1:8080/127.0.0.1:{ports[0]}/\n"
        f"s,/etc/coffer,{scratch}/etc/coffer,\n", encoding="utf-8")


def adapted(commands, scratch, ports, server):
    host = urllib.parse.quote(server["PGHOST"], safe="/")
    there = lambda name: f"/{DATABASE if name == 'coffer' else name}?host={host}&port={server['PGPORT']}"
    commands = commands.replace("/usr/share/doc/coffer/", f"{scratch}/")
    commands = re.sub(r"cp (\S+/nginx/coffer\.conf) (\S+)", rf"sed -f {scratch}/nginx.sed \1 > \2", commands)
    for path in ("/etc/coffer", "/etc/nginx"):
        commands = commands.replace(path, f"{scratch}{path}")
    commands = commands.replace("/var/backups", f"{scratch}/backups")
    commands = re.sub(r"@127\.0\.0\.1/(\w+)", lambda m: "@" + there(m[1]), commands)
    commands = commands.replace("@DATABASE", "@" + there("coffer"))
    commands = re.sub(r"(database |rename to )coffer\b", rf"\g<1>{DATABASE}", commands)
    commands = commands.replace("redis://127.0.0.1:6379/0", os.environ["REDIS_URL"] + "\nCOFFER_REDIS_PREFIX=procedure:")
    return commands.replace("http://127.0.0.1:8080", f"http://127.0.0.1:{ports[0]}").replace(
        "https://coffer.example.com/", f"https://coffer.example.com:{ports[2]}/")


def follow():
    """Runs all of it; raises AssertionError with the end of what was printed."""
    ports, server = free_ports(3), superuser()
    env = {**{name: value for name, value in os.environ.items() if not name.startswith("COFFER_") and name not in
              ("DATABASE_URL", "REDIS_URL")}, **server, "COFFER_BINARY": os.environ["COFFER_BINARY"],
           "TLS_PORT": str(ports[2]), "COFFER_LISTEN": f"127.0.0.1:{ports[0]}", "COFFER_LOG_FORMAT": "json",
           "COFFER_ADMIN_LISTEN": f"127.0.0.1:{ports[1]}"}
    steps = blocks(ROOT / "docs/OPERATIONS.md")
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory).resolve()
        env["SCRATCH"] = str(scratch)
        prepare(scratch, ports)
        script = PRELUDE
        for line, commands in [*steps, (0, EPILOGUE)]:
            script += f"\necho '--- line {line}'\n" + adapted(commands, scratch, ports, server)
        try:
            run = subprocess.run(["bash", "-c", script], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 text=True, timeout=150, check=False)
        finally:
            drop = [f"drop database if exists {name} with (force)" for name in (DATABASE, "coffer_before", "coffer_restored")]
            drop += [f"drop role if exists {name}" for name in ("coffer_owner", "coffer_serve")]
            subprocess.run(["psql", "-q", *[word for each in drop for word in ("-c", each)]], env=env, capture_output=True,
                           check=False)
        if run.returncode:
            raise AssertionError("\n".join(run.stdout.splitlines()[-30:]))
    return f"{len(steps)} blocks"


if __name__ == "__main__":
    print(follow())
