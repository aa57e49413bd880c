"""A local S3 server for the tests: moto, with a bucket whose objects can be locked, and a user who may put, get and list, and nothing else.

s3.py serve PORT: serves until it is ended; files.json, key_id and secret are written once it is ready.
s3.py objects PORT FOLDER: as the owner, what is in the bucket, fetched to FOLDER; a line a version: key, lock, whether it could be removed.
"""

import datetime, json, os, sys, threading, time, urllib.request

BUCKET = "evidence"
command, port = sys.argv[1], sys.argv[2]
url = "http://127.0.0.1:" + port
os.environ.update(AWS_DEFAULT_REGION="us-east-1", AWS_EC2_METADATA_DISABLED="true", NO_PROXY="127.0.0.1")


def client(service, key_id="owner", secret="owner"):
    import boto3
    from botocore.config import Config

    return boto3.client(service, endpoint_url=url, aws_access_key_id=key_id, aws_secret_access_key=secret,
                        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}))


def judge(on):
    # From here on every request must be signed by a user who may; the other way round, nothing is judged.
    request = urllib.request.Request(url + "/moto-api/reset-auth", data=b"0" if on else b"1000000000", method="POST")
    request.add_header("content-type", "text/plain")  # Else it is taken for a form, and not read.
    urllib.request.urlopen(request, timeout=10).read()


if command == "serve":
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=int(port), verbose=False)
    server.start()
    s3, iam = client("s3"), client("iam")
    s3.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
    iam.create_user(UserName="bastion")
    arn = "arn:aws:s3:::" + BUCKET
    allow = [{"Effect": "Allow", "Action": ["s3:PutObject", "s3:PutObjectRetention", "s3:GetObject"], "Resource": arn + "/bastion-1/*"},
             {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn}]
    iam.put_user_policy(UserName="bastion", PolicyName="copy", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": allow}))
    key = iam.create_access_key(UserName="bastion")["AccessKey"]
    for name, text in (("key_id", key["AccessKeyId"]), ("secret", key["SecretAccessKey"])):
        with open(os.open(name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            file.write(text + "\n")
    judge(True)
    print("ready", flush=True)
    while True:
        time.sleep(3600)

judge(False)
s3, folder = client("s3"), sys.argv[3]
pages = s3.get_paginator("list_object_versions").paginate(Bucket=BUCKET)
for version in (version for page in pages for version in page.get("Versions", [])):
    key, number = version["Key"], version["VersionId"]
    got = s3.get_object(Bucket=BUCKET, Key=key, VersionId=number)
    body = got["Body"].read()
    if version["IsLatest"]:
        path = os.path.join(folder, key)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(body)
    left = got["ObjectLockRetainUntilDate"] - datetime.datetime.now(datetime.timezone.utc) if "ObjectLockMode" in got else datetime.timedelta()
    try:
        s3.delete_object(Bucket=BUCKET, Key=key, VersionId=number)
        removed = "removed"
    except s3.exceptions.ClientError:
        removed = "kept"
    print(key, got.get("ObjectLockMode", "-"), round(left.total_seconds() / 86400), removed)
judge(True)
