"""Keys of a keypad in a telephone's speech: none is found in speech alone, and all that are pressed are."""

import sys
import time
from multiprocessing import Pool

import numpy as np

from voices import PLACE, SPOKEN_HZ, levelled, order, resample, say, write

# Voices of many languages and throats; each also reads numbers in its own language.
VOICES = (
    "en-us en-gb+f2 en-gb-scotland+m3 en-us+f4 en-us+m7 en-gb-x-rp+f3 de de+f5 nl+m2 sv+f2 da+m4 nb+f1 fr-fr fr-fr+f4 "
    "it it+f3 es es-419+f2 pt+m5 pt-br+f4 pl+m6 cs+f5 ru+m1 ru+f3 uk+m8 el+f2 tr+m3 fi+f1 hu+m4"
).split()
WORDS = (
    "one two three four five six seven eight nine zero hello goodbye meeting Monday umbrella whistle singing moon "
    "music loose you blue through remember banana tomorrow evening oil willow yellow morning around million alarm"
).split()
MINUTES, NIGHTLY_MINUTES = 25, 190
RATE_HZ = 8000
ROWS, COLUMNS, KEYS = (697, 770, 852, 941), (1209, 1336, 1477, 1633), "123A456B789C*0#D"


def talk(voice, seconds, seed):
    """A voice that goes on for so long, at 8000 Hz."""
    dice, parts, spoken = np.random.default_rng(seed), [], 0
    while spoken < seconds * SPOKEN_HZ:
        words = [str(dice.integers(0, 10 ** int(dice.integers(1, 8)))) if dice.random() < 0.3 else str(dice.choice(WORDS))
                 for _ in range(60)]  # fmt: skip
        parts.append(say(voice, " ".join(words), speed=int(dice.integers(110, 220))))
        spoken += len(parts[-1])
    samples = np.concatenate(parts)[: int(seconds * SPOKEN_HZ)]
    return resample(levelled(samples, SPOKEN_HZ, dice.uniform(-32, -14)), SPOKEN_HZ, RATE_HZ)


def false_keys(job):
    number, voice, seconds = job
    path = PLACE / f"talk-off-{number}.raw"
    write(path, talk(voice, seconds, number))
    found = order("keys", **{"codec": ("pcmu", "pcma")[number % 2], "in": path})["keys"]
    path.unlink()
    return [f"{voice} at {key['at']} ms: {key['key']} of {key['ms']} ms" for key in found]


def tones(keys, row_dbm0, twist_db, wrong, ms, pause_ms):
    """All keys, each so long, the column louder than the row by the twist, both wrong by so many parts."""
    samples = [np.zeros(4000)]
    for key in keys:
        row, column = ROWS[KEYS.index(key) // 4], COLUMNS[KEYS.index(key) % 4]
        time_s = np.arange(RATE_HZ * ms // 1000) / RATE_HZ
        # The highest sine of G.711 is 3.17 dBm0.
        height = lambda dbm0: 32124 * 10 ** ((dbm0 - 3.17) / 20)
        samples.append(height(row_dbm0) * np.sin(2 * np.pi * row * (1 + wrong) * time_s)
                       + height(row_dbm0 + twist_db) * np.sin(2 * np.pi * column * (1 - wrong) * time_s))  # fmt: skip
        samples.append(np.zeros(RATE_HZ * pause_ms // 1000))
    return np.concatenate(samples + [np.zeros(4000)])


# What ITU-T Q.24 has taken: name, row in dBm0, twist, frequency offset, milliseconds, and what is added to it, in decibels
# below both tones.
TAKEN = [
    ("plain", -10, 0, 0, 70, None, 0),
    ("40 ms", -10, 0, 0, 40, None, 0),
    ("loud", -3, 0, 0, 50, None, 0),
    ("soft", -25, 0, 0, 50, None, 0),
    ("column louder by 4 dB", -14, 4, 0, 50, None, 0),
    ("row louder by 8 dB", -8, -8, 0, 50, None, 0),
    ("1.5 % wrong", -10, 0, 0.015, 50, None, 0),
    ("noise 15 dB below", -12, 0, 0, 60, "noise", 15),
    ("speech 20 dB below", -8, 0, 0, 80, "speech", 20),
]


def found_keys(job):
    number, (name, row, twist, wrong, ms, added, below) = job
    samples = tones(KEYS, row, twist, wrong, ms, max(ms, 50))
    dice = np.random.default_rng(number)
    both = 10 * np.log10(10 ** (row / 10) + 10 ** ((row + twist) / 10)) - 3.17 - 3.01
    if added == "noise":
        samples += dice.normal(0, 32768 * 10 ** ((both - below) / 20), len(samples))
    if added == "speech":
        voice = talk(VOICES[number], len(samples) / RATE_HZ + 1, number)[: len(samples)]
        samples += levelled(voice, RATE_HZ, both - below)
    path = PLACE / f"keys-{number}.raw"
    write(path, samples)
    found = {codec: "".join(key["key"] for key in order("keys", **{"codec": codec, "in": path})["keys"])
             for codec in ("pcmu", "pcma")}  # fmt: skip
    return [f"{name}, {codec}: {keys or 'nothing'}" for codec, keys in found.items() if keys != KEYS]


def main():
    PLACE.mkdir(parents=True, exist_ok=True)
    minutes, began = NIGHTLY_MINUTES if "--nightly" in sys.argv else MINUTES, time.time()
    share = 60.0
    jobs = [(n, VOICES[n % len(VOICES)], share) for n in range(max(minutes, len(VOICES)))]
    with Pool(2) as pool:
        false = sum(pool.map(false_keys, jobs, 1), [])
        missed = sum(pool.map(found_keys, list(enumerate(TAKEN)), 1), [])
    print(f"{len(jobs) * share / 60:.0f} minutes of {len(VOICES)} voices: {len(false)} false keys")
    print(f"{len(TAKEN)} keypads of 16 keys by each law of G.711: {len(missed)} not taken whole")
    print("\n".join(false + missed) or f"all as it should be ({time.time() - began:.0f} s)")
    return 1 if false or missed else 0


if __name__ == "__main__":
    sys.exit(main())
