"""Judges what an application printed, against what was put. Pure."""

from wait import Failed


def number(data):
    return int(data.removeprefix("record "))


def check(events, interruptions, acknowledged, unanswered, parents):
    """Returns how many records came again after each interruption. `parents` of each shard that has some."""
    seen = {}  # data to the place of its last event
    newest = {}  # partition key to the number of the newest record that came
    checkpoints = Checkpoints(events, interruptions)
    ended = set()
    repeated = [0] * len(interruptions)
    for place, event in enumerate(events):
        shard = event["shard"]
        if event["event"] == "ended":
            ended.add(shard)
        if event["event"] != "record":
            continue
        if not set(parents.get(shard, [])) <= ended:
            raise Failed(f"a record of {shard} came before its parents had ended: {event}")
        data, key = event["data"], event["key"]
        if data in acknowledged:
            if acknowledged[data] != (key, shard, event["sequence_number"]):
                raise Failed(f"acknowledged as {acknowledged[data]}, but came as {event}")
        elif data not in unanswered:
            raise Failed(f"never put, or put and refused: {event}")
        if data in seen:
            repeated[checkpoints.explains(seen[data], place, event)] += 1
        elif number(data) <= newest.get(key, -1):
            raise Failed(f"{data} of {key} came after record {newest[key]}")
        else:
            newest[key] = number(data)
        seen[data] = place
    lost = acknowledged.keys() - seen.keys()
    if lost:
        first = min(lost, key=number)
        raise Failed(f"{len(lost)} of {len(acknowledged)} acknowledged records are lost, the first {first}")
    return repeated


class Checkpoints:
    """The last checkpoint of each shard at the beginning of each interruption."""

    def __init__(self, events, interruptions):
        self.interruptions = interruptions
        self.at = []
        for interruption in interruptions:
            last = {}
            for event in events[:interruption.begin]:
                if event["event"] == "checkpoint":
                    last[event["shard"]] = int(event["sequence_number"])
            self.at.append(last)

    def explains(self, before, place, event):
        """Which interruption is why the record came again here."""
        for index, (interruption, last) in enumerate(zip(self.interruptions, self.at)):
            is_between = before < interruption.end and interruption.begin <= place
            if is_between and int(event["sequence_number"]) > last.get(event["shard"], 0):
                return index
        raise Failed(f"came twice, at {before} and {place}, and no restart explains it: {event}")
