namespace CondDiffusion.MLNet.Model;

/// <summary>
/// The lifetime of an object with memory that the garbage collector does not free. The owner disposes it without
/// waiting for those who use the object: the last of them frees the memory.
/// </summary>
/// <param name="owner">The type that an <see cref="ObjectDisposedException"/> names.</param>
/// <param name="free">Frees the memory. It is called once.</param>
internal sealed class Lifetime(Type owner, Action free) : IDisposable
{
    private readonly CancellationTokenSource _disposing = new();
    private readonly Lock _lock = new();
    private int _users = 1; // the owner, until it disposes

    /// <summary>Gets a token that is cancelled when the owner disposes. Only users may ask for it.</summary>
    public CancellationToken Disposing => _disposing.Token;

    /// <exception cref="ObjectDisposedException">The owner has disposed.</exception>
    public void CheckNotDisposed() => ObjectDisposedException.ThrowIf(_disposing.IsCancellationRequested, owner);

    /// <summary>Begins a use, which ends when the result is disposed.</summary>
    /// <exception cref="ObjectDisposedException">The owner has disposed.</exception>
    public Use Begin()
    {
        lock (_lock)
        {
            CheckNotDisposed();
            _users++;
        }

        return new(this);
    }

    /// <summary>Ends the owner's use. Others who use the object can go on, but no further use begins.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_disposing.IsCancellationRequested) return;
            _disposing.Cancel();
        }

        End();
    }

    private void End()
    {
        lock (_lock)
        {
            if (--_users > 0) return;
        }

        _disposing.Dispose();
        free();
    }

    /// <summary>A use of the object. It has to be disposed once.</summary>
    public readonly struct Use(Lifetime lifetime) : IDisposable
    {
        public void Dispose() => lifetime.End();
    }
}
