import json, random, time, urllib.error, urllib.parse, urllib.request

def follow(base, topic, token):
    """Yields events, and resumes after the last one. Raises HTTPError when it is refused."""
    position = None
    while True:
        query = {"topic": topic, "wait": "25s"} | ({"last_event_id": position} if position else {})
        request = urllib.request.Request(f"{base}/events?{urllib.parse.urlencode(query)}",
            headers={"Accept": "application/json", "Authorization": f"Bearer {token}"})
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                page = json.load(response)
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code != 429:
                raise
        except (OSError, ValueError):
            pass
        else:
            yield from page["events"]  # type carillon.reset: something was missed
            position = page["next"]
            continue
        time.sleep(random.uniform(2, 4))

import sys
try:
  for e in follow("http://127.0.0.1:18099","news/*","sesame"):
    print("py",e,flush=True)
except KeyboardInterrupt: pass
