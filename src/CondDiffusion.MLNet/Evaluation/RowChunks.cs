using System.Runtime.InteropServices;
using System.Security.Cryptography;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Evaluation;

/// <summary>
/// Collects the rows of a view in managed memory. Reading a view runs other people's code, which must not run in a
/// dispose scope of ours, so the tensor is made afterwards.
/// </summary>
/// <param name="size">The number of values of a row.</param>
internal sealed class RowChunks(int size)
{
    private const int ChunkValues = 1 << 20;

    private readonly int _rows = Math.Max(1, ChunkValues / size); // of a chunk
    private readonly Queue<float[]> _chunks = [];
    private float[] _last = [];

    /// <summary>Gets the number of values of a row.</summary>
    public int Size => size;

    /// <summary>Gets the number of rows.</summary>
    public int Count { get; private set; }

    /// <summary>Returns a hash of a row's values.</summary>
    public static UInt128 Hash(ReadOnlySpan<float> row)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(MemoryMarshal.AsBytes(row), hash);
        return MemoryMarshal.Read<UInt128>(hash);
    }

    /// <summary>Adds a row.</summary>
    public void Add(ReadOnlySpan<float> row)
    {
        var number = Count % _rows;
        if (number == 0)
        {
            _last = new float[_rows * size];
            _chunks.Enqueue(_last);
        }

        row.CopyTo(_last.AsSpan(number * size, size));
        Count++;
    }

    /// <summary>
    /// Moves the rows into a tensor, float32 (N, D), and forgets them. The current dispose scope owns the tensor.
    /// </summary>
    public Tensor MoveToTensor()
    {
        var rows = empty([Count, size], ScalarType.Float32, CPU);
        for (var first = 0L; _chunks.TryDequeue(out var chunk); first += _rows)
        {
            using var scope = NewDisposeScope();
            var count = Math.Min(_rows, Count - first);
            var values = tensor(chunk, [_rows, size], ScalarType.Float32, CPU);
            rows.narrow(0, first, count).copy_(values.narrow(0, 0, count));
        }

        _last = [];
        Count = 0;
        return rows;
    }
}
