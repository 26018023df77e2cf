"""What speech is worth after the relay: PESQ (ITU-T P.862, P.862.2) against what was said."""

import sys
import time
from multiprocessing import Pool

import numpy as np
from pesq import pesq

from voices import (
    PLACE, RATES, SPOKEN_HZ, level, levelled, listen_to_opus, order, pause, read, resample, say, write,
)  # fmt: skip

# Two sentences each, as P.830 has it.
TALKS = [
    ("en-us+m3", "The birch canoe slid on the smooth planks.", "Glue the sheet to the dark blue background."),
    ("en-gb+f2", "It's easy to tell the depth of a well.", "These days a chicken leg is a rare dish."),
    ("de", "Die Tür stand offen, und es regnete herein.", "Am Montag fahren wir mit dem Zug nach Köln."),
    ("fr-fr+f4", "La voiture rouge est garée devant la maison.", "Nous partirons demain matin de bonne heure."),
    ("es+m7", "El perro duerme tranquilo cerca del fuego.", "Mañana compraremos pan y queso en la plaza."),
    ("it+f1", "Il treno per Milano parte tra dieci minuti.", "Domani andremo al mare con tutti gli amici."),
]
# The lines: their name, loss in percent at random, and jitter in milliseconds.
LINES = [("clean", 0, 0), ("jitter", 0, 60), ("1 %", 1, 30), ("3 %", 3, 30), ("5 %", 5, 30)]

# From which format to which, and the least score by each line.
LEAST = {
    ("opus", "pcmu"): (3.4, 3.3, 3.2, 2.9, 2.6),
    ("opus", "pcma"): (3.4, 3.3, 3.2, 2.9, 2.6),
    ("opus", "g722"): (2.8, 2.6, 2.4, 2.1, 1.9),
    ("pcmu", "opus"): (3.3, 3.2, 3.1, 2.9, 2.5),
    ("pcma", "opus"): (3.3, 3.2, 3.1, 2.9, 2.5),
    ("g722", "opus"): (2.6, 2.5, 2.4, 2.1, 1.7),
    ("g722", "pcmu"): (3.4, 3.3, 3.2, 2.8, 2.4),
    ("pcmu", "g722"): (3.5, 3.4, 3.3, 3.0, 2.6),
}
# How much less than the codecs alone the relay may give: on a clean line, with jitter, with loss.
WORSE = {"clean": 0.1, "jitter": 0.1}
WORSE_WITH_LOSS = 0.3
# A clock that is fast and one that is slow, in parts per million. So that the relay has to do something about it within a
# talk, the first packet is late, or the others are, by so many microseconds: then those come to wait too long, or too
# short, within the first sentence.
CLOCKS = {"fast": {"ppm": 300, "late": 10_100}, "slow": {"ppm": -300, "late": -19_500}}
# How much a talk by such a clock may be worse than one by ours, and by how much it must have moved in the end.
WORSE_BY_CLOCK, MOVED_MS = 0.1, 2.0
# Seconds after which it must have.
MOVED_BY = 5
# How much louder or softer it may become, in decibels.
LOUDER_DB = 1.0
# What in-band FEC must add where so many percent are lost.
FEC_LOSS, FEC_ADDS = 8, 0.2


def reference(talk, rate_hz):
    return PLACE / f"talk-{talk}-{rate_hz}.raw"


def make(talk):
    """A talk at each rate, with faint noise in place of digital silence."""
    voice, first, second = TALKS[talk]
    spoken = [pause(0.6), say(voice, first), pause(0.8), say(voice, second), pause(0.8)]
    samples = levelled(np.concatenate(spoken), SPOKEN_HZ)
    samples = samples + np.random.default_rng(talk).normal(0, 3, len(samples))
    for rate_hz in (8000, 16_000, 48_000):
        write(reference(talk, rate_hz), resample(samples, SPOKEN_HZ, rate_hz))
    return len(samples) / SPOKEN_HZ


def score(talk, heard, rate_hz, is_wide):
    """The score of what was heard, and how much louder it is than what was said."""
    judged_hz = 16_000 if is_wide else 8000
    said, heard = read(reference(talk, judged_hz)), resample(heard, rate_hz, judged_hz)[: 20 * judged_hz]
    mos = pesq(judged_hz, said / 32768, heard / 32768, "wb" if is_wide else "nb")
    # What the relay says after the end of the talk is not judged.
    return mos, level(heard[: len(said)], judged_hz) - level(said, judged_hz)


def is_wide(source, target):
    return min(RATES[source], RATES[target]) > 8000


def heard(codec, stem, has_fec):
    """What the far side hears, by a decoder that is not ours where there is one."""
    return listen_to_opus(stem.with_suffix(".packets"), has_fec) if codec == "opus" else read(stem.with_suffix(".raw"))


def stem_of(job):
    source, target, (name, *_), talk, more = job
    return PLACE / "-".join(map(str, ["relay", source, target, name.replace(" ", ""), talk, *more.values()]))


def by_relay(job):
    source, target, (name, loss, jitter), talk, more = job
    stem = stem_of(job)
    words = {"fec": 1, "expects": loss, "out-fec": 1, "seed": talk + 1, **more}
    order("relay", **{"from": source, "to": target, "loss": loss, "jitter": jitter, **words,
          "in": reference(talk, RATES[source]), "out": stem.with_suffix(".raw"),
          "packets": stem.with_suffix(".packets")})  # fmt: skip
    return score(talk, heard(target, stem, words["out-fec"] == 1), RATES[target], is_wide(source, target))


def by_codecs(job):
    """The same codecs one after the other, without a relay and with ideal resampling between them."""
    source, target, (name, loss, _), talk, _ = job
    first, second = (PLACE / f"codec{n}-{source}-{target}-{name.replace(' ', '')}-{talk}" for n in (1, 2))
    words = {"fec": 1, "expects": loss, "loss": loss, "seed": talk + 1}
    for stem, codec, samples, more in [(first, source, read(reference(talk, RATES[source])), words),
                                       (second, target, None, {"fec": 1, "expects": 10})]:  # fmt: skip
        if samples is None:
            samples = resample(heard(source, first, True), RATES[source], RATES[target])
        write(stem.with_suffix(".in"), samples)
        order("coder", **{"codec": codec, "in": stem.with_suffix(".in"), "out": stem.with_suffix(".raw"),
              "packets": stem.with_suffix(".packets"), **more})  # fmt: skip
    return score(talk, heard(target, second, True), RATES[target], is_wide(source, target))


def mean(scores):
    return float(np.mean([mos for mos, _ in scores]))


def table(pool, talks):
    """Scores of all pairs by all lines, and what is wrong with them."""
    jobs = [(*pair, line, talk, {}) for pair in LEAST for line in LINES for talk in talks]
    relayed, coded = dict(zip(map(str, jobs), pool.map(by_relay, jobs, 4))), {}
    clean = [job for job in jobs if job[2][1] == 0 or job[0] == "opus"]
    coded = dict(zip(map(str, clean), pool.map(by_codecs, clean, 4)))
    wrong = []
    print(f"{'':14}" + "".join(f"{line[0]:>18}" for line in LINES))
    for pair, least in LEAST.items():
        row = f"{pair[0]:>5} to {pair[1]:5}"
        for line, bound in zip(LINES, least):
            of_pair = [str((*pair, line, talk, {})) for talk in talks]
            ours, best = mean([relayed[job] for job in of_pair]), [coded[job] for job in of_pair if job in coded]
            gain = float(np.mean([relayed[job][1] for job in of_pair]))
            row += f"{ours:12.2f}" + (f" ({mean(best):.2f})" if best else " " * 7)
            where = f"{pair[0]} to {pair[1]}, {line[0]}"
            if ours < bound:
                wrong.append(f"{where}: {ours:.2f}, not {bound}")
            if best and ours < mean(best) - WORSE.get(line[0], WORSE_WITH_LOSS):
                wrong.append(f"{where}: {ours:.2f}, where the codecs alone give {mean(best):.2f}")
            if abs(gain) > LOUDER_DB:
                wrong.append(f"{where}: louder by {gain:.1f} dB")
        print(row, flush=True)
    return wrong


def fec(pool, talks):
    """What is repeated in the next packet is worth something, on the way to the relay and from it."""
    wrong = []
    towards = [("opus", "pcmu", ("loss", FEC_LOSS, 20), {"fec": on, "expects": on * FEC_LOSS}) for on in (1, 0)]
    away = [("pcmu", "opus", ("clean", 0, 0), {"out-loss": FEC_LOSS, "out-fec": on}) for on in (1, 0)]
    for name, ways in [("to the relay", towards), ("from the relay", away)]:
        jobs = [(*way[:3], talk, way[3]) for way in ways for talk in talks]
        scores = pool.map(by_relay, jobs, 2)
        used, unused = mean(scores[: len(talks)]), mean(scores[len(talks) :])
        print(f"Opus {name}, {FEC_LOSS} % lost: {used:.2f} with in-band FEC, {unused:.2f} without")
        if used < unused + FEC_ADDS:
            wrong.append(f"in-band FEC {name} adds only {used - unused:.2f}")
    return wrong


def moved(job):
    """By how many milliseconds the end of what is heard lies elsewhere than by our own clock."""
    source, target, line, talk, more = job
    ends = []
    for words in ({}, more):
        samples = heard(target, stem_of((source, target, line, talk, words)), True)
        ends.append(resample(samples, RATES[target], 8000)[MOVED_BY * 8000 :])
    one, other = ends
    size = 1 << 16
    likeness = np.fft.irfft(np.fft.rfft(other, size) * np.conj(np.fft.rfft(one, size)), size)
    at = int(np.argmax(np.abs(likeness)))
    return abs(at if at < size // 2 else at - size) / 8


def clocks(pool, talks):
    """A sender whose clock is not ours is worth as much as one whose clock is."""
    wrong, line = [], LINES[0]
    print(f"{'':14}" + "".join(f"{name:>18}" for name in ["no drift", *CLOCKS]) + "   moved by, at least")
    for pair in LEAST:
        jobs = {name: [(*pair, line, talk, words) for talk in talks] for name, words in [("no", {}), *CLOCKS.items()]}
        scores = {name: mean(pool.map(by_relay, of_clock)) for name, of_clock in jobs.items()}
        least = {name: min(pool.map(moved, jobs[name])) for name in CLOCKS}
        print(f"{pair[0]:>5} to {pair[1]:5}" + "".join(f"{score:18.2f}" for score in scores.values())
              + "".join(f"{ms:8.1f} ms" for ms in least.values()), flush=True)  # fmt: skip
        for name in CLOCKS:
            where = f"{pair[0]} to {pair[1]} by a clock that is {name}"
            if scores[name] < scores["no"] - WORSE_BY_CLOCK:
                wrong.append(f"{where}: {scores[name]:.2f}, not {scores['no']:.2f}")
            if least[name] < MOVED_MS:
                wrong.append(f"{where}: a talk moved by only {least[name]:.1f} ms, so nothing was tried")
    return wrong


def main():
    PLACE.mkdir(parents=True, exist_ok=True)
    began, talks = time.time(), range(len(TALKS))
    with Pool(2) as pool:
        seconds = pool.map(make, talks)
        print(f"PESQ of {len(TALKS)} talks of {min(seconds):.1f} to {max(seconds):.1f} s; the codecs alone in brackets")
        wrong = table(pool, talks) + clocks(pool, talks) + fec(pool, talks)
    print("\n".join(wrong) or f"all as it should be ({time.time() - began:.0f} s)")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
