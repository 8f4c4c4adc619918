using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Network;

[TestClass]
public sealed class DeviceGateTests
{
    /// <summary>How long to wait for what should come at once: a test that fails should not hang.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

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
        {
            var waiting = Task.Run(() => gate.Enter(source.Token));
            Assert.ThrowsExactly<OperationCanceledException>(() => waiting.WaitAsync(Limit).GetAwaiter().GetResult());
        }

        AssertIsFree(gate);
    }

    [TestMethod]
    public void Enter_CancelledBefore_ThrowsThoughTheDeviceIsFree()
    {
        var gate = new DeviceGate();
        Assert.ThrowsExactly<OperationCanceledException>(() => gate.Enter(new CancellationToken(canceled: true)));
        AssertIsFree(gate);
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
        AssertIsFree(gate);
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
        var third = await waiting[0].WaitAsync(Limit);
        second.Dispose();
        third.Dispose();
        (await waiting[1].WaitAsync(Limit)).Dispose();
        (await waiting[2].WaitAsync(Limit)).Dispose();
        using var free = gate.Enter();
        AssertIsFree(gate);
    }

    [TestMethod]
    public async Task Enter_CheckThrowsOrTokenCancelledWhileWaiting_LeavesTheQueue()
    {
        var gate = new DeviceGate();
        var fails = false;
        void Check()
        {
            if (fails) throw new NotSupportedException();
        }

        using (gate.Enter())
        {
            using var source = new CancellationTokenSource();
            var cancelled = gate.EnterAsync(NoCheck, source.Token);
            var failing = gate.EnterAsync(Check, default);
            var alsoFailing = Task.Run(() => gate.Enter(Check, default));
            await source.CancelAsync();
            await Assert.ThrowsAsync<OperationCanceledException>(() => cancelled.WaitAsync(Limit));
            Assert.IsFalse(failing.IsCompleted || alsoFailing.IsCompleted);

            fails = true;
            await Assert.ThrowsExactlyAsync<NotSupportedException>(() => failing.WaitAsync(Limit));
            await Assert.ThrowsExactlyAsync<NotSupportedException>(() => alsoFailing.WaitAsync(Limit));
            Assert.ThrowsExactly<NotSupportedException>(() => gate.Enter(Check, default));
        }

        AssertIsFree(gate);
    }

    /// <summary>The turn may come while the waiting is being cancelled; the next one must get it then.</summary>
    [TestMethod]
    public async Task Enter_CheckThrowsWhenTheTurnHasCome_PassesItOn()
    {
        var gate = new DeviceGate();
        var turn = gate.Enter();
        var checks = 0;
        void Check()
        {
            if (++checks == 1) return;
            turn.Dispose();
            throw new NotSupportedException();
        }

        var waiting = Task.Run(() => gate.Enter(Check, default));
        await Assert.ThrowsExactlyAsync<NotSupportedException>(() => waiting.WaitAsync(Limit));
        AssertIsFree(gate);
    }

    private static void AssertIsFree(DeviceGate gate)
    {
        using var source = new CancellationTokenSource(Limit);
        gate.Enter(source.Token).Dispose();
    }

    private static void NoCheck()
    {
    }
}
