using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Network;

[TestClass]
public sealed class DeviceGateTests
{
    [TestMethod]
    public void For_OneDevice_IsOneGate()
    {
        Assert.AreSame(DeviceGate.For(CPU), DeviceGate.For(new Device("cpu")));
        Assert.AreNotSame(DeviceGate.For(CPU), DeviceGate.For(new Device("cuda:0")));
    }

    [TestMethod]
    public void Enter_HeldByAnother_WaitsAndTakesTurnsInOrder()
    {
        var gate = new DeviceGate();
        var order = new List<int>();
        var turn = gate.Enter();
        var threads = Enumerable.Range(0, 5).Select(i =>
        {
            var thread = new Thread(() =>
            {
                using var mine = gate.Enter();
                order.Add(i);
            });
            thread.Start();
            SpinWait.SpinUntil(() => thread.ThreadState.HasFlag(ThreadState.WaitSleepJoin));
            return thread;
        }).ToArray();
        Assert.IsEmpty(order);

        turn.Dispose();
        foreach (var thread in threads) thread.Join();
        Assert.AreSequenceEqual([0, 1, 2, 3, 4], order);
    }

    [TestMethod]
    public void Enter_CancelledWhileWaiting_ThrowsAndLeavesTheQueue()
    {
        var gate = new DeviceGate();
        using var source = new CancellationTokenSource(TimeSpan.FromMilliseconds(20));
        using (gate.Enter())
            Assert.ThrowsExactly<OperationCanceledException>(() => gate.Enter(source.Token));
        using var free = gate.Enter();
    }

    [TestMethod]
    public void Enter_CancelledBefore_ThrowsThoughTheDeviceIsFree()
    {
        var gate = new DeviceGate();
        Assert.ThrowsExactly<OperationCanceledException>(() => gate.Enter(new CancellationToken(canceled: true)));
        using var free = gate.Enter();
    }

    [TestMethod]
    public void Enter_ManyThreadsSomeCancelled_HoldsOneAtATime()
    {
        var gate = new DeviceGate();
        var inside = 0;
        var most = 0;
        Parallel.For(0, 2000, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
        {
            using var source = new CancellationTokenSource();
            if (i % 3 == 0) source.CancelAfter(TimeSpan.FromTicks(i % 50 * 10));
            try
            {
                using var turn = gate.Enter(source.Token);
                most = Math.Max(most, Interlocked.Increment(ref inside));
                Interlocked.Decrement(ref inside);
            }
            catch (OperationCanceledException)
            {
            }
        });
        Assert.AreEqual(1, most);
        using var free = gate.Enter(new CancellationTokenSource(TimeSpan.FromSeconds(5)).Token);
    }

    [TestMethod]
    public async Task EnterAsync_MoreThanTheCapacity_WaitWithoutAThreadInOrder()
    {
        var gate = new DeviceGate(capacity: 2);
        var first = await gate.EnterAsync(NoCheck, default);
        var second = gate.Enter();
        Task<DeviceGate.Turn>[] waiting = [.. Enumerable.Range(0, 3).Select(_ => gate.EnterAsync(NoCheck, default))];
        Assert.IsFalse(waiting.Any(task => task.IsCompleted));

        first.Dispose();
        var third = await waiting[0];
        second.Dispose();
        third.Dispose();
        (await waiting[1]).Dispose();
        (await waiting[2]).Dispose();
        using var free = gate.Enter();
        using var alsoFree = gate.Enter();
    }

    [TestMethod]
    public async Task Enter_CheckThrowsOrTokenCancelledWhileWaiting_LeavesTheQueue()
    {
        var gate = new DeviceGate();
        var fails = false;
        void Check()
        {
            if (fails) throw new TimeoutException();
        }

        using (gate.Enter())
        {
            using var source = new CancellationTokenSource();
            var cancelled = gate.EnterAsync(NoCheck, source.Token);
            var failing = gate.EnterAsync(Check, default);
            var alsoFailing = Task.Run(() => gate.Enter(Check, default));
            await source.CancelAsync();
            await Assert.ThrowsAsync<OperationCanceledException>(() => cancelled);
            Assert.IsFalse(failing.IsCompleted || alsoFailing.IsCompleted);

            fails = true;
            await Assert.ThrowsExactlyAsync<TimeoutException>(() => failing);
            await Assert.ThrowsExactlyAsync<TimeoutException>(() => alsoFailing);
            Assert.ThrowsExactly<TimeoutException>(() => gate.Enter(Check, default));
        }

        using var free = gate.Enter();
    }

    private static void NoCheck()
    {
    }
}
