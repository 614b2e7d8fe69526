"""Calls an endpoint that verifies access keys with boto3 and the AWS CLI, by keys that it knows and by others.

    signatures.py --server SHARD_SERVER --data DIR
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import subprocess
import sys
import urllib.error
import urllib.request
from unittest import mock

import boto3
import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

ORDERS = Credentials("AKIDORDERS", "secret/of+orders")
TEMPORARY = Credentials("ASIATEMPORARY", "secret of a session", "the/token==")
KEYS = {
    "AKIDORDERS": {"secretKey": "secret/of+orders", "principalArn": "arn:aws:iam::000000000000:user/orders"},
    "ASIATEMPORARY": {"secretKey": "secret of a session", "sessionToken": "the/token=="},
}
REFUSED = [
    (Credentials("AKIDORDERS", "another secret"), "InvalidSignatureException"),
    (Credentials("AKIDOTHER", "secret/of+orders"), "UnrecognizedClientException"),
    (Credentials("ASIATEMPORARY", "secret of a session"), "UnrecognizedClientException"),
    (Credentials("ASIATEMPORARY", "secret of a session", "another"), "UnrecognizedClientException"),
]


@contextlib.contextmanager
def endpoint(server, data):
    """A `local` that knows the keys; gives its URL."""
    credentials = data / "credentials.json"
    credentials.write_text(json.dumps(KEYS))
    arguments = ["local", "--listen", "127.0.0.1:0", "--data-dir", data / "data", "--credentials", credentials]
    with subprocess.Popen([server, *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield next(word for word in process.stdout.readline().split() if word.startswith("http://"))
        finally:
            process.terminate()


def client(url, credentials):
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30)
    return boto3.client(
        "kinesis", endpoint_url=url, region_name="us-east-1", config=config,
        aws_access_key_id=credentials.access_key, aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.token)


def code_of(call, *arguments, **named):
    try:
        call(*arguments, **named)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "OK"


def check(what, seen, expected):
    if seen != expected:
        sys.exit(f"{what}: {seen}, expected {expected}")


def check_boto3(url):
    kinesis = client(url, ORDERS)
    kinesis.create_stream(StreamName="orders", ShardCount=1)
    kinesis.put_record(StreamName="orders", PartitionKey="a", Data=bytes(100_000))
    check("boto3 by a known key", kinesis.list_streams()["StreamNames"], ["orders"])
    check("boto3 by a temporary key", client(url, TEMPORARY).list_streams()["StreamNames"], ["orders"])
    for credentials, code in REFUSED:
        put = {"StreamName": "orders", "PartitionKey": "a", "Data": bytes(100_000)}
        check(f"boto3 by {credentials.access_key}", code_of(client(url, credentials).list_streams), code)
        check(f"boto3, much data, by {credentials.access_key}", code_of(client(url, credentials).put_record, **put), code)


def check_clock(url):
    """Of botocore, which does not correct its clock for Kinesis: the refusal reaches the caller."""
    late = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - datetime.timedelta(minutes=6)
    with mock.patch.object(botocore.auth, "get_current_datetime", lambda *_, **__: late):
        check("boto3, six minutes late", code_of(client(url, ORDERS).list_streams), "InvalidSignatureException")


def posted(url, method, headers, body):
    request = urllib.request.Request(url, method=method, headers=headers, data=body)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def check_presigned(url):
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Kinesis_20131202.ListStreams"}
    # botocore signs an empty body into a URL, unless a header has the hash of another.
    empty_object = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    hashed = {**headers, "X-Amz-Content-SHA256": empty_object}
    for credentials in (ORDERS, TEMPORARY):
        request = AWSRequest("POST", url + "/", headers=hashed)
        botocore.auth.SigV4QueryAuth(credentials, "kinesis", "us-east-1", expires=900).add_auth(request)
        status, answer = posted(request.url, "POST", hashed, b"{}")
        check(f"a presigned POST by {credentials.access_key}", (status, b"orders" in answer), (200, True))
        status, answer = posted(request.url, "POST", hashed, b"[]")
        check("a presigned POST with another body", (status, b"InvalidSignatureException" in answer), (400, True))
    # As boto3 makes them: their body is empty, in which AWS finds no operation to call either.
    for method, body, status, code in (
            ("GET", None, 403, b"AccessDeniedException"), ("POST", b"", 400, b"SerializationException")):
        presigned = client(url, ORDERS).generate_presigned_url("list_streams", HttpMethod=method)
        seen, answer = posted(presigned, method, headers, body)
        check(f"boto3's presigned {method}", (seen, code in answer), (status, True))


def check_cli(url):
    program = pathlib.Path(sys.executable).with_name("aws")
    for credentials, code in [(ORDERS, None), (TEMPORARY, None), *REFUSED]:
        environment = {
            **os.environ, "AWS_ACCESS_KEY_ID": credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_key, "AWS_DEFAULT_REGION": "us-east-1", "AWS_PAGER": ""}
        environment.pop("AWS_SESSION_TOKEN", None)
        if credentials.token:
            environment["AWS_SESSION_TOKEN"] = credentials.token
        done = subprocess.run(
            [program, "--endpoint-url", url, "kinesis", "list-streams"],
            env=environment, capture_output=True, text=True, check=False)
        expected = code or "orders"
        check(f"AWS CLI by {credentials.access_key}", expected in (done.stderr if code else done.stdout), True)
        check(f"AWS CLI by {credentials.access_key}", done.returncode == 0, code is None)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", required=True)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    with endpoint(arguments.server, arguments.data) as url:
        for part in check_boto3, check_clock, check_presigned, check_cli:
            part(url)
    print("boto3 and the AWS CLI are served by keys that are known, and by no others")


if __name__ == "__main__":
    main()
