"""The lab's Windows machine: what the tests of Windows services take for granted about it."""

from __future__ import annotations

import base64
import hashlib
import ssl
import subprocess
import urllib.error
from collections.abc import Iterator

import pytest

from tests.lab.windows_host import CHINESE, WindowsHost, WindowsWitness

SERVER = """\
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write("在这里".encode())
http.server.HTTPServer(("0.0.0.0", int(sys.argv[1])), Answer).serve_forever()
"""


@pytest.fixture
def thrown_away(windows_machine: WindowsWitness) -> Iterator[WindowsWitness]:
    """Return the machine for a test that spoils it."""
    yield windows_machine
    windows_machine.renew()


def test_it_says_that_it_is_windows_ten(windows_machine: WindowsWitness) -> None:
    said = windows_machine.python("import sys; print(sys.getwindowsversion()[:3], sys.platform)")
    assert said == "(10, 0, 19043) win32\n"
    assert windows_machine.python("import getpass; print(getpass.getuser())") == "Administrator\n"


def test_arguments_and_input_arrive_as_they_are(windows_machine: WindowsWitness) -> None:
    arguments = ["two words", 'a "quoted" one', "中文 参数", "back\\slash\\"]
    program = "import sys; print(ascii(sys.argv[1:]))"
    assert windows_machine.python(program, *arguments) == ascii(arguments) + "\n"
    data = bytes(range(256)) * 4096
    windows_machine.write(r"C:\测试 one\data.bin", data)
    assert windows_machine.read(r"C:\测试 one\data.bin") == data
    assert not windows_machine.exists(r"C:\测试 one\other.bin")


def test_code_page_is_western_until_a_chinese_one_is_asked_for(
    thrown_away: WindowsWitness,
) -> None:
    pages = "import ctypes; k = ctypes.windll.kernel32; print(k.GetACP(), k.GetOEMCP())"
    language = "import ctypes; print(ctypes.windll.kernel32.GetUserDefaultUILanguage())"
    assert thrown_away.python(pages) == "1252 437\n"
    thrown_away.write(r"C:\left behind.txt", b"x")
    thrown_away.renew(CHINESE)
    assert thrown_away.python(pages) == "936 936\n"
    assert thrown_away.python(language) == "2052\n"
    assert thrown_away.wine("cmd", "/c", "echo 中文").stdout == "中文\r\n".encode("gbk")
    assert not thrown_away.exists(r"C:\left behind.txt")


def test_nssm_keeps_a_program_running_as_a_service(thrown_away: WindowsWitness) -> None:
    nssm = r"C:\tools\nssm.exe"
    thrown_away.write(r"C:\app\answer.py", SERVER.encode())
    thrown_away.wine(nssm, "install", "lab-test", r"C:\py\python.exe", r"C:\app\answer.py", "8087")
    thrown_away.wine(nssm, "start", "lab-test")
    assert thrown_away.wait_for_http(8087) == "在这里"
    status = thrown_away.wine(nssm, "status", "lab-test").stdout
    assert "SERVICE_RUNNING" in status.decode("utf-16")
    thrown_away.wine(nssm, "stop", "lab-test")
    with pytest.raises(urllib.error.URLError):
        thrown_away.http(8087)


def test_winrm_shows_the_certificate_that_the_list_names(
    windows_hosts: dict[str, WindowsHost],
) -> None:
    host = windows_hosts["windows-winrm"]
    shown = ssl.get_server_certificate((host.address, host.port), ca_certs=host.ca)
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(shown)).digest()
    assert "SHA256:" + base64.b64encode(digest).decode().rstrip("=") == host.fingerprint


def test_ssh_shows_the_host_key_that_the_list_names(
    windows_hosts: dict[str, WindowsHost],
) -> None:
    host = windows_hosts["windows-ssh"]
    command = ["ssh-keyscan", "-t", "ed25519", "-p", str(host.port), host.address]
    scan = subprocess.run(command, capture_output=True, check=True)
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", "-"], input=scan.stdout, capture_output=True, check=True
    )
    assert host.host_key in shown.stdout.decode()
