using System.Collections.Concurrent;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// Lets one computation at a time use a device: an evaluation of a network, or a training step. Each of them uses all
/// of the device, so that two at a time would only slow each other down. Waiting threads take turns in the order in
/// which they came, and can be cancelled.
/// </summary>
/// <param name="capacity">The number of turns that are taken at a time.</param>
/// <remarks>The gate is not reentrant, and no user code runs while that of a device is held.</remarks>
internal sealed class DeviceGate(int capacity = 1)
{
    /// <summary>
    /// The number of asynchronous generations that run on a device at a time: while one evaluates its network, others
    /// make noise or images. Each of them has a thread, which mostly waits.
    /// </summary>
    public const int MostGenerations = 4;

    private static readonly TimeSpan CheckInterval = TimeSpan.FromMilliseconds(50);

    private static readonly ConcurrentDictionary<(DeviceType, int), DeviceGate> Gates = [];
    private static readonly ConcurrentDictionary<(DeviceType, int), DeviceGate> GenerationGates = [];

    private readonly Lock _lock = new();
    private readonly LinkedList<TaskCompletionSource> _waiting = [];
    private int _free = capacity;

    /// <summary>Returns the gate of a device: the same one for every model in the process.</summary>
    public static DeviceGate For(Device device) => Gates.GetOrAdd((device.type, device.index), _ => new());

    /// <summary>
    /// Returns the gate of a device's asynchronous generations, which each of them holds from its beginning to its end.
    /// It bounds the threads that wait for the device.
    /// </summary>
    public static DeviceGate ForGenerations(Device device) =>
        GenerationGates.GetOrAdd((device.type, device.index), _ => new(MostGenerations));

    /// <summary>Waits until the device is free and takes it; disposing the result frees it.</summary>
    /// <exception cref="OperationCanceledException">The token was cancelled, before or while waiting.</exception>
    public Turn Enter(CancellationToken cancellationToken = default) => Enter(null, cancellationToken);

    /// <summary>Waits until the device is free and takes it; disposing the result frees it.</summary>
    /// <param name="check">
    /// Throws to end the waiting. It is called before and after the wait, and now and then in between.
    /// </param>
    /// <param name="cancellationToken">Token that ends the waiting.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled, before or while waiting.</exception>
    public Turn Enter(Action? check, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        check?.Invoke();
        if (TryEnter() is not { } place) return new(this);

        var interval = check is null ? Timeout.InfiniteTimeSpan : CheckInterval;
        try
        {
            while (!place.Value.Task.Wait(interval, cancellationToken)) check?.Invoke();
            check?.Invoke();
            return new(this);
        }
        catch
        {
            Leave(place);
            throw;
        }
    }

    /// <summary>Waits for a turn as <see cref="Enter(Action?, CancellationToken)"/> does, without a thread.</summary>
    /// <inheritdoc cref="Enter(Action?, CancellationToken)"/>
    public async Task<Turn> EnterAsync(Action check, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        check();
        if (TryEnter() is not { } place) return new(this);

        var turn = place.Value.Task;
        try
        {
            while (!turn.IsCompleted)
            {
                await Task.WhenAny(turn, Task.Delay(CheckInterval, cancellationToken)).ConfigureAwait(false);
                cancellationToken.ThrowIfCancellationRequested();
                check();
            }

            return new(this);
        }
        catch
        {
            Leave(place);
            throw;
        }
    }

    /// <summary>Takes a turn, or else a place in the queue, which it returns.</summary>
    private LinkedListNode<TaskCompletionSource>? TryEnter()
    {
        lock (_lock)
        {
            if (_free == 0)
                return _waiting.AddLast(new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));

            _free--;
            return null;
        }
    }

    /// <summary>Gives up a place in the queue, or the turn that came at the moment of the cancellation.</summary>
    private void Leave(LinkedListNode<TaskCompletionSource> place)
    {
        lock (_lock)
        {
            if (place.List is not null)
            {
                _waiting.Remove(place);
                return;
            }
        }

        Exit();
    }

    /// <summary>Hands the device to whoever has waited longest.</summary>
    private void Exit()
    {
        lock (_lock)
        {
            if (_waiting.First is not { } next)
            {
                _free++;
                return;
            }

            _waiting.RemoveFirst();
            next.Value.SetResult();
        }
    }

    /// <summary>The use of a device until it is disposed.</summary>
    internal readonly struct Turn(DeviceGate gate) : IDisposable
    {
        /// <inheritdoc/>
        public void Dispose() => gate.Exit();
    }
}
