"""Counts the UDP packets from or to ranges of ports, on every network card: packets.py FIRST LAST [FIRST LAST…]

Says "ready", and then for each line of standard input the count and the last packets, as `SOURCE>DESTINATION#BYTES`
and the first bytes of what they carry. Needs CAP_NET_RAW, as in `lib/namespace`.
"""

import select
import socket
import struct
import sys

ALL = 0x0003
IPV4 = 0x0800
UDP = 17
OUTGOING = 4
# Name servers are asked from ports of any range.
DOMAIN = 53
SHOWN = 5
SHOWN_BYTES = 4


def datagram(packet):
    """Source, destination, length and payload, if it is UDP over IPv4."""
    if len(packet) < 20 or packet[9] != UDP:
        return None
    head = 4 * (packet[0] & 15)
    if len(packet) < head + 8:
        return None
    return *struct.unpack("!HHH", packet[head : head + 6]), packet[head + 8 :]


def main(ranges):
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ALL))
    tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    print("ready", flush=True)
    count, last = 0, []
    while True:
        for source in select.select([tap, sys.stdin], [], [])[0]:
            if source is sys.stdin:
                if not sys.stdin.readline():
                    return
                print(count, *last, flush=True)
                continue
            packet, (_, protocol, kind, *_rest) = tap.recvfrom(64)
            udp = datagram(packet) if protocol == IPV4 and kind != OUTGOING else None
            if udp and DOMAIN not in udp[:2] and any(port in one for port in udp[:2] for one in ranges):
                count += 1
                last = [*last, f"{udp[0]}>{udp[1]}#{udp[2]}:{udp[3][:SHOWN_BYTES].hex()}"][-SHOWN:]


bounds = [int(word) for word in sys.argv[1:]]
main([range(first, last + 1) for first, last in zip(bounds[::2], bounds[1::2])])
