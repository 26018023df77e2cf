"""A microphone that hears one tone, and an ear that names the strongest one."""

import asyncio
import fractions
import time

import av
import numpy
from aiortc import MediaStreamTrack

RATE = 48_000
FRAME = 960
AMPLITUDE = 8_000
FULL_SCALE = 32_768
WINDOW_S = 0.5
SILENCE_DB = -65


class Tone(MediaStreamTrack):
    """A sine in frames of 20 ms; silence while it is muted or the call is on hold."""

    kind = "audio"

    def __init__(self, hz):
        super().__init__()
        self.hz = hz
        self.is_silent = False
        self.sent = 0
        self.began = None

    async def recv(self):
        self.began = self.began or time.monotonic()
        await asyncio.sleep(max(0, self.began + self.sent / RATE - time.monotonic()))
        at = self.sent + numpy.arange(FRAME)
        level = 0 if self.is_silent else AMPLITUDE
        samples = (level * numpy.sin(2 * numpy.pi * self.hz * at / RATE)).astype("<i2")
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self.sent, fractions.Fraction(1, RATE)
        self.sent += FRAME
        return frame


class Ear:
    """Keeps the last half second of a track."""

    def __init__(self):
        self.frames = []
        self.rate = RATE
        self.samples = 0
        self.total = 0

    async def listen(self, track):
        """Until the track ends, which it says by an exception."""
        while True:
            frame = await track.recv()
            self.rate = frame.sample_rate
            samples = frame.to_ndarray().reshape(-1)[:: len(frame.layout.channels)].astype(float)
            self.frames.append(samples)
            self.samples += len(samples)
            self.total += 1
            while self.samples - len(self.frames[0]) >= self.rate * WINDOW_S:
                self.samples -= len(self.frames.pop(0))

    def heard(self):
        """The strongest frequency, the level over all in dB of full scale, and how far the tone stands over the
        mean of the rest; `None` before half a second has come."""
        if self.samples < self.rate * WINDOW_S:
            return None
        samples = numpy.concatenate(self.frames)
        level = 20 * numpy.log10(max(numpy.sqrt((samples**2).mean()), 1e-3) / FULL_SCALE)
        if level < SILENCE_DB:
            return {"hz": 0, "db": round(level, 1), "snr": 0, "frames": self.total}
        power = numpy.abs(numpy.fft.rfft(samples * numpy.hanning(len(samples)))) ** 2
        peak = int(power[2:].argmax()) + 2
        rest = numpy.delete(power, slice(max(0, peak - 6), peak + 7))
        snr = 10 * numpy.log10(power[peak] / max(rest.mean(), 1e-9))
        hz = peak * self.rate / len(samples)
        return {"hz": round(hz, 1), "db": round(level, 1), "snr": round(snr, 1), "frames": self.total}
