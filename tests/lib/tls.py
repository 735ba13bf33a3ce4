# SPDX-License-Identifier: Apache-2.0
"""Certificates, and a kedged that serves its API over TLS."""
import http.client
import json
import os
import pathlib
import socket
import ssl
import subprocess

import kedge


class Authority:
    """A CA in a directory, and certificates of it: NAME.crt and NAME.key."""

    def __init__(self, directory, name="test CA"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.openssl("req", "-x509", *self.new_key("ca"), "-days", "30", "-subj", f"/CN={name}", "-out", "ca.crt")
        (self.directory / "index").write_text("")
        (self.directory / "ca.cnf").write_text(
            "[ca]\ndefault_ca=a\n[a]\ndatabase=index\nnew_certs_dir=.\nserial=serial\ndefault_md=sha256\npolicy=p\ndefault_crl_days=30\n"
            "unique_subject=no\n[p]\ncommonName=supplied\n")

    def new_key(self, name):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key"]

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.directory, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def issue(self, name, usage="clientAuth", begin="20200101000000Z", end="20490101000000Z", names="DNS:localhost,IP:127.0.0.1,IP:::1"):
        (self.directory / f"{name}.ext").write_text(
            f"subjectAltName={names}\nextendedKeyUsage={usage}\nbasicConstraints=CA:false\n")
        self.openssl("req", *self.new_key(name), "-subj", f"/CN={name}", "-out", f"{name}.req")
        self.openssl("ca", "-batch", "-config", "ca.cnf", "-cert", "ca.crt", "-keyfile", "ca.key", "-create_serial", "-rand_serial", "-startdate",
                     begin, "-enddate", end, "-extfile", f"{name}.ext", "-in", f"{name}.req", "-out", f"{name}.crt", "-notext")
        return self

    def revoke(self, name=None):
        if name:
            self.openssl("ca", "-config", "ca.cnf", "-cert", "ca.crt", "-keyfile", "ca.key", "-revoke", f"{name}.crt")
        self.openssl("ca", "-config", "ca.cnf", "-cert", "ca.crt", "-keyfile", "ca.key", "-gencrl", "-out", "crl.new")
        os.rename(self.directory / "crl.new", self.directory / "crl")

    def path(self, name):
        return str(self.directory / name)


class TlsDaemon(kedge.Daemon):
    def __init__(self, authority, **settings):
        super().__init__()
        self.port = kedge.free_port()
        self.authority = authority
        self.tcp = {"listen": [f"127.0.0.1:{self.port}"], "ca": authority.path("ca.crt"), "cert": authority.path("server.crt"),
                    "key": authority.path("server.key"), **settings}
        self.configure()
        self.options = ["--config", str(self.directory / "kedged.yaml")]

    def configure(self, **settings):
        self.tcp.update(settings)
        (self.directory / "kedged.yaml").write_text(json.dumps({"tcp": self.tcp}))

    def context(self, name="client", authority=None):
        context = ssl.create_default_context(cafile=self.authority.path("ca.crt"))
        if name:
            authority = authority or self.authority
            context.load_cert_chain(authority.path(f"{name}.crt"), authority.path(f"{name}.key"))
        return context

    def plain(self, timeout=20):
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def dial(self, name="client", timeout=20, **options):
        return self.context(name, **options).wrap_socket(self.plain(timeout), server_hostname="localhost", suppress_ragged_eofs=False)

    def ask(self, target="/_ping", name="client", method="GET", body=None, **options):
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=20, context=self.context(name, **options))
        try:
            connection.request(method, target, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def relays(self):
        """The processes of kedge-tls that are this daemon's."""
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(process / "exe") == str(kedge.BIN / "kedge-tls") and self.run_inode() in self.inodes(process):
                    found.append(int(process.name))
            except OSError:
                continue
        return found

    def run_inode(self):
        return os.stat(self.run_directory / "tls" / "in").st_ino

    @staticmethod
    def inodes(process):
        return [os.stat(process / "root").st_ino]

    def relay(self):
        return kedge.wait_for(lambda: len(self.relays()) == 1 and self.relays()[0])

    def is_ready(self):
        try:
            return self.ask() == (200, b"OK")
        except OSError:
            return False

    def start(self, seconds=30):
        super().start(seconds)
        kedge.wait_for(self.is_ready)
        return self
