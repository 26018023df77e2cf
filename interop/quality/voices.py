"""Speech by espeak-ng, at the rates of telephones, and the way to the relay."""

import ctypes
import json
import subprocess
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / "target" / "quality"
LINE = ROOT / "target" / "debug" / "examples" / "speech-line"

# What espeak-ng speaks at, and the rates of the codecs with it.
SPOKEN_HZ = 22_050
RATES = {"pcmu": 8000, "pcma": 8000, "g722": 16_000, "opus": 48_000}

# The level of the active parts of speech, below the overload of the system (ITU-T P.830).
ACTIVE_DBOV = -26.0


def resample(samples, from_hz, to_hz):
    """From one rate to another, by a filter much longer than that of the relay."""
    if from_hz == to_hz:
        return samples
    common = np.gcd(from_hz, to_hz)
    return resample_poly(samples, to_hz // common, from_hz // common, window=("kaiser", 12.0))


def say(voice, text, speed=160):
    """One voice says a text: samples of one channel at SPOKEN_HZ, without the pauses around it."""
    words = ["espeak-ng", "-v", voice, "-s", str(speed), "--stdout", text]
    wav = subprocess.run(words, check=True, capture_output=True).stdout
    samples = np.frombuffer(wav[44:], "<i2").astype(float)
    loud = np.flatnonzero(np.abs(samples) > 200)
    return samples[loud[0] : loud[-1]] if len(loud) else samples


def level(samples, rate_hz):
    """The level of the active parts, in decibels below the overload."""
    frames = samples[: len(samples) // (rate_hz // 50) * (rate_hz // 50)].reshape(-1, rate_hz // 50)
    power = (frames**2).mean(axis=1)
    return 10 * np.log10(power[power > power.max() / 1000].mean() / 32768.0**2)


def levelled(samples, rate_hz, dbov=ACTIVE_DBOV):
    """The same at a level."""
    return samples * 10 ** ((dbov - level(samples, rate_hz)) / 20)


def pause(seconds):
    return np.zeros(int(seconds * SPOKEN_HZ))


def write(path, samples):
    path.write_bytes(np.clip(np.round(samples), -32768, 32767).astype("<i2").tobytes())


def read(path):
    return np.fromfile(path, "<i2").astype(float)


def listen_to_opus(path, has_fec):
    """What libopus itself makes of the packets in a file: samples at 48 kHz."""
    octets, packets, at = path.read_bytes(), [], 0
    while at < len(octets):
        end = at + 2 + int.from_bytes(octets[at : at + 2], "little")
        packets.append(octets[at + 2 : end])
        at = end
    opus = ctypes.CDLL("libopus.so.0")
    opus.opus_decoder_create.restype = ctypes.c_void_p
    error, frame, heard = ctypes.c_int(), (ctypes.c_int16 * 960)(), []
    decoder = ctypes.c_void_p(opus.opus_decoder_create(48_000, 1, ctypes.byref(error)))
    for packet, following in zip(packets, packets[1:] + [b""]):
        is_repeated = not packet and has_fec and bool(following)
        data = packet or (following if is_repeated else None)
        made = opus.opus_decode(decoder, data, len(data or b""), frame, 960, int(is_repeated))
        if made != 960:
            raise RuntimeError(f"{path}: libopus says {made}")
        heard.append(np.array(frame, dtype=float))
    opus.opus_decoder_destroy(decoder)
    return np.concatenate(heard)


def order(verb, **words):
    """Has the line do one thing; returns what it says of it."""
    line = " ".join([verb] + [f"{name.replace('_', '-')}={value}" for name, value in words.items()])
    done = subprocess.run([str(LINE)], input=line + "\n", capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{line}\n{done.stderr}")
    return json.loads(done.stdout)
