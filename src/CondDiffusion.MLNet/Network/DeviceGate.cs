using System.Collections.Concurrent;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// Lets one computation at a time use a device: an evaluation of a network, or a training step. Each of them uses all of the device, so that
/// two at a time would only slow each other down. Waiting threads take turns in the order in which they came, and can be cancelled.
/// </summary>
/// <remarks>The gate is not reentrant, and no user code runs while it is held.</remarks>
internal sealed class DeviceGate
{
    private static readonly ConcurrentDictionary<(DeviceType, int), DeviceGate> Gates = [];

    private readonly Lock _lock = new();
    private readonly LinkedList<TaskCompletionSource> _waiting = [];
    private bool _held;

    /// <summary>Returns the gate of a device: the same one for every model in the process.</summary>
    public static DeviceGate For(Device device) => Gates.GetOrAdd((device.type, device.index), _ => new());

    /// <summary>Waits until the device is free and takes it; disposing the result frees it.</summary>
    /// <exception cref="OperationCanceledException">The token was cancelled, before or while waiting.</exception>
    public Turn Enter(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        LinkedListNode<TaskCompletionSource> place;
        lock (_lock)
        {
            if (!_held)
            {
                _held = true;
                return new(this);
            }

            place = _waiting.AddLast(new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        try
        {
            place.Value.Task.Wait(cancellationToken);
            return new(this);
        }
        catch (OperationCanceledException)
        {
            Leave(place);
            throw;
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
                _held = false;
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
