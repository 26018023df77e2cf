"""Counts the UDP packets from or to ranges of ports, on every network card: packets.py FIRST LAST [FIRST LAST…]

Says "ready", and then the count for each line of standard input. Needs CAP_NET_RAW, as in `lib/namespace`.
"""

import select
import socket
import struct
import sys

ALL = 0x0003
IPV4 = 0x0800
UDP = 17
OUTGOING = 4


def ports(packet):
    """Source and destination, if it is UDP over IPv4."""
    if len(packet) < 20 or packet[9] != UDP:
        return None
    head = 4 * (packet[0] & 15)
    return struct.unpack("!HH", packet[head : head + 4]) if len(packet) >= head + 4 else None


def main(ranges):
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ALL))
    tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    print("ready", flush=True)
    count = 0
    while True:
        for source in select.select([tap, sys.stdin], [], [])[0]:
            if source is sys.stdin:
                if not sys.stdin.readline():
                    return
                print(count, flush=True)
                continue
            packet, (_, protocol, kind, *_rest) = tap.recvfrom(64)
            if protocol == IPV4 and kind != OUTGOING and any(port in one for port in ports(packet) or () for one in ranges):
                count += 1


bounds = [int(word) for word in sys.argv[1:]]
main([range(first, last + 1) for first, last in zip(bounds[::2], bounds[1::2])])
