import Foundation
import TestSupport
import Testing

/// Runs that are killed, stopped, doubled, or have no room: the output is the old or the new one,
/// whole. One at a time: they measure how long a run takes.
@Suite(.serialized) struct InterruptionTests {
  @Test func aKilledRunLeavesTheOldOrTheNewOutput() throws {
    let folder = try TemporaryFolder()
    try BankTests.bank(customers: 4_000, in: folder)
    try Shell.python(Self.kills, [Tranche.binary.path, folder.url.path])
  }

  @Test func signalsEndARunWithoutAnOutput() throws {
    let folder = try TemporaryFolder()
    try BankTests.bank(customers: 200_000, in: folder)
    try Shell.python(Self.signals, [Tranche.binary.path, folder.url.path])
  }

  @Test func runsThatWaitForTheirInputEndToo() throws {
    let folder = try TemporaryFolder()
    try BankTests.bank(customers: 500, in: folder)
    try Shell.python(Self.waiting, [Tranche.binary.path, folder.url.path])
  }

  @Test func aDiskWithoutRoomKeepsThePreviousOutput() throws {
    let folder = try TemporaryFolder()
    try BankTests.bank(customers: 4_000, in: folder)
    try Shell.python(Self.noRoom, [Tranche.binary.path, folder.url.path])
  }

  @Test func oneOfManyRunsThatStartAtOnceTakesAStaleLock() throws {
    let folder = try TemporaryFolder()
    try Shell.python(Self.crowd, [Tranche.binary.path, folder.url.path])
  }

  private static let common = """
    import sys, os, shutil, time, json, random, hashlib, signal, subprocess, resource
    binary, folder = sys.argv[1:]
    os.chdir(folder)
    def command(day, *more):
      return [binary, "rescore", "--ledger", "bank/ledger-*.parquet", "--as-of", day, "--out", "out", "--clusters", "4", *more]
    def whole(day=None):
      manifest = json.load(open("out/manifest.json"))
      assert sorted(o["path"] for o in manifest["outputs"]) == sorted(set(os.listdir("out")) - {"manifest.json"})
      for o in manifest["outputs"]:
        assert hashlib.sha256(open("out/" + o["path"], "rb").read()).hexdigest() == o["sha256"], o["path"]
      assert day is None or manifest["as_of"] == day, (manifest["as_of"], day)
      return manifest["as_of"]
    def others(): return sorted(set(os.listdir(".")) - {"bank", "out"})
    def run(arguments, **options): return subprocess.run(arguments, capture_output=True, text=True, **options)

    """

  private static let kills =
    common + """
      began = time.time()
      assert run(command("2025-11-30")).returncode == 0
      usual = time.time() - began
      random.seed(1)
      seen, day = set(), "2025-11-30"
      for attempt in range(20):
        other = "2025-12-31" if day == "2025-11-30" else "2025-11-30"
        p = subprocess.Popen(command(other, "--force"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # All over the run, half of them near its end, where names change.
        time.sleep(usual * (random.uniform(0, 1) if attempt % 2 else random.uniform(.8, 1.1)))
        p.send_signal(signal.SIGKILL)
        finished = p.wait() == 0
        found = whole()
        assert found == other or (found == day and not finished), (found, day, finished)
        seen.add(found == other)
        day = found
      assert False in seen, "no run was killed before its end"
      assert run(command("2025-12-31", "--force")).returncode == 0
      whole("2025-12-31")
      assert others() == [], others()
      """

  private static let signals =
    common + """
      def started(day="2025-12-31", *more):
        p = subprocess.Popen(command(day, *more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        # The file is there a moment before its lock is taken; its owner is written afterwards.
        while not owner().startswith(f"{p.pid} "):
          assert p.poll() is None, p.stderr.read()
          time.sleep(.002)
        return p
      def owner():
        try: return open(".out.lock").read()
        except FileNotFoundError: return ""
      for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        p = started()
        p.send_signal(number)
        began = time.time()
        out, err = p.communicate()
        # Within the second on a machine of its own; here other tests run beside it.
        assert p.returncode == code and time.time() - began < 10, (p.returncode, time.time() - began)
        assert out == "" and err == "tranche: stopped before the end; nothing was written.\\n", (out, err)
        assert not os.path.exists("out") and others() == [], others()
      # A second run on the same folder has to wait; the first one ends well.
      first = started()
      first.send_signal(signal.SIGSTOP)
      second = run(command("2025-11-30"))
      assert second.returncode == 75 and second.stderr.count("\\n") == 1 and str(first.pid) in second.stderr, second
      first.send_signal(signal.SIGCONT)
      first.communicate()
      assert first.returncode == 0
      whole("2025-12-31")
      assert others() == [], others()
      # A lock whose process is gone is no lock; one of another machine is.
      host = os.uname().nodename
      open(".out.lock", "w").write("999999999 " + host + "\\n")
      assert run(command("2025-11-30", "--force")).returncode == 0
      whole("2025-11-30")
      open(".out.lock", "w").write("1 elsewhere\\n")
      assert run(command("2025-12-31", "--force")).returncode == 75
      whole("2025-11-30")
      """

  private static let waiting =
    common + """
      os.mkfifo("pipe.csv")
      rescore = [binary, "rescore", "--ledger", "pipe.csv", "--as-of", "2025-12-31", "--out", "out", "--json"]
      fit = [binary, "fit", "-", "--features", "a", "--clusters", "2", "--out", "m.json"]
      runs = []
      for number, code, arguments in ((signal.SIGTERM, 143, rescore), (signal.SIGINT, 130, fit)):
        p = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        runs.append((p, number, code))
      # Time to come to where they wait; earlier they would stop as any other run.
      time.sleep(2)
      # An output that is full and that nobody reads.
      unread, full = os.pipe()
      os.set_blocking(full, False)
      try:
        while True: os.write(full, bytes(4096))
      except BlockingIOError: os.set_blocking(full, True)
      mute = subprocess.Popen([binary, "inspect", "bank/customers.parquet", "--json"], stdout=full, stderr=subprocess.DEVNULL)
      time.sleep(1)
      mute.send_signal(signal.SIGTERM)
      for p, number, _ in runs: p.send_signal(number)
      for p, _, code in runs:
        assert p.wait(timeout=60) == code, p.returncode
        out, err = p.stdout.read(), p.stderr.read()
        assert err.count("\\n") == 1 and "did not answer" in err, err
        if p.args is rescore: assert json.loads(out)["error"]["code"] == "terminated", out
        else: assert out == "", out
      assert mute.wait(timeout=60) == 143, mute.returncode
      assert not os.path.exists("out") and not os.path.exists("m.json")
      os.remove("pipe.csv")
      assert run(command("2025-12-31")).returncode == 0
      whole("2025-12-31")
      assert others() == [], others()
      """

  private static let crowd =
    common + """
      import pyarrow.parquet
      host = os.uname().nodename
      for attempt in range(12):
        # As a killed run leaves it: a lock of nobody, perhaps without its owner, and files.
        open(".out.lock", "w").write("999999999 " + host + "\\n" if attempt % 3 else "")
        os.mkdir(".out.tmp-999999999")
        crowd = [subprocess.Popen([binary, "generate", "--customers", str(50 + i), "--months", "1", "--out", "out"],
          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for i in range(16)]
        ends = [(p.communicate()[1], p.returncode) for p in crowd]
        winners = [i for i, (_, code) in enumerate(ends) if code == 0]
        # The others met its lock, or its folder where they came after it.
        assert len(winners) == 1 and {code for _, code in ends} <= {0, 73, 75}, ends
        rows = pyarrow.parquet.read_metadata("out/customers.parquet").num_rows
        assert rows == 50 + winners[0], (rows, winners)
        left = sorted(set(os.listdir(".")) - {"out"})
        assert left == [], left
        shutil.rmtree("out")
      """

  private static let noRoom =
    common + """
      assert run(command("2025-11-30")).returncode == 0
      def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
      p = run(command("2025-12-31", "--force"), preexec_fn=limited)
      assert p.returncode == 74 and p.stderr.count("\\n") == 1, p
      whole("2025-11-30")
      assert others() == [], others()
      # A device that is always full.
      p = run([binary, "fit", "bank/truth.parquet", "--features", "rate,mean_ticket", "--clusters", "2", "--out", "/dev/full"])
      assert p.returncode == 74 and "/dev/full" in p.stderr and p.stderr.count("\\n") == 1, p
      # A disk with room for a part, where mounting one is permitted.
      os.mkdir("disk")
      if run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", "disk"]).returncode == 0:
        try:
          p = run([binary, "rescore", "--ledger", "bank/ledger-*.parquet", "--as-of", "2025-12-31", "--out", "disk/out"])
          assert p.returncode == 74 and p.stderr.count("\\n") == 1, p
          assert os.listdir("disk") == [], os.listdir("disk")
        finally:
          run(["umount", "disk"])
      os.rmdir("disk")
      """
}
