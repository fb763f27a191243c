"""How long a query of 16 tokens takes: alone, and while bulk work keeps every core busy.

    bench/query_latency.py [--precision fp32] [--queries 200] [--memory-texts 0]

`--memory-texts N` embeds N texts of mixed lengths instead, and prints the resident memory as it
goes: it must stay flat.
"""

import argparse
import random
import statistics
import threading
import time

import headrace


def resident_mib() -> float:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def sentence(rng: random.Random, words: int) -> str:
    known = "the valve of river stone under water light mill wheel turns slowly by night and day".split()
    return " ".join(rng.choice(known) for _ in range(words))


def latencies(model: headrace.Model, count: int, pause: float, seed: int) -> str:
    rng = random.Random(seed)  # texts that came before are answered without computing
    times = []
    for _ in range(count):
        text = sentence(rng, 14)
        start = time.perf_counter()
        model.embed([text], purpose="query")
        times.append((time.perf_counter() - start) * 1000)
        time.sleep(pause)  # a query now and then, not a second kind of bulk work
    times.sort()
    return f"p50 {statistics.median(times):.2f} ms, p95 {times[int(count * 0.95)]:.2f} ms, worst {times[-1]:.2f} ms"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--memory-texts", type=int, default=0)
    arguments = parser.parse_args()
    before = resident_mib()
    model = headrace.Model(precision=arguments.precision)
    rng = random.Random(2)
    if arguments.memory_texts:
        print(f"loaded: {resident_mib() - before:.1f} MiB beyond the interpreter")
        done = 0
        while done < arguments.memory_texts:
            model.embed([sentence(rng, rng.randint(1, 40)) for _ in range(2000)])
            done += 2000
            print(f"{done} texts: {resident_mib() - before:.1f} MiB", flush=True)
        return
    model.embed([sentence(rng, 14)])
    print("idle:", latencies(model, arguments.queries, 0.01, 1))
    stop = threading.Event()
    embedded = 0

    def bulk() -> None:
        nonlocal embedded
        while not stop.is_set():
            texts = [sentence(rng, rng.randint(10, 200)) for _ in range(64)]
            model.embed(texts)
            embedded += len(texts)

    thread = threading.Thread(target=bulk)
    thread.start()
    time.sleep(0.5)
    start, first = time.perf_counter(), embedded
    print("busy:", latencies(model, arguments.queries, 0.05, 3))
    print(f"bulk meanwhile: {(embedded - first) / (time.perf_counter() - start):.1f} texts/s")
    stop.set()
    thread.join()


if __name__ == "__main__":
    main()
