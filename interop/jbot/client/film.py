"""A camera that shows bars of three colours, and an eye that names the colours of what it sees."""

import fractions

import av
import numpy
from aiortc import VideoStreamTrack

WIDTH, HEIGHT = 352, 288
BARS = ((0, 0, 255), (0, 255, 0), (255, 0, 0))
THIRDS = 3


class Camera(VideoStreamTrack):
    """Blue, green and red bars, in the pace of aiortc."""

    def __init__(self):
        super().__init__()
        picture = numpy.zeros((HEIGHT, WIDTH, 3), dtype=numpy.uint8)
        for at, colour in enumerate(BARS):
            picture[:, at * WIDTH // THIRDS : (at + 1) * WIDTH // THIRDS] = colour
        self.picture = picture

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        frame = av.VideoFrame.from_ndarray(self.picture, format="rgb24")
        frame.pts, frame.time_base = pts, fractions.Fraction(time_base)
        return frame


class Eye:
    """Keeps the last picture of a track."""

    def __init__(self):
        self.last = None
        self.total = 0

    async def look(self, track):
        """Until the track ends, which it says by an exception."""
        while True:
            self.last = await track.recv()
            self.total += 1

    def seen(self):
        """The mean colour of each third, and how many pictures came; `None` before there is one."""
        if self.last is None:
            return None
        thirds = numpy.array_split(self.last.to_ndarray(format="rgb24"), THIRDS, axis=1)
        colours = [[int(value) for value in third.reshape(-1, 3).mean(axis=0)] for third in thirds]
        return {"thirds": colours, "frames": self.total}
