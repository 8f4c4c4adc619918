using CondDiffusion.MLNet.Evaluation;
using CondDiffusion.MLNet.Tests.Support;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Evaluation;

[TestClass]
public sealed class RowChunksTests
{
    [TestMethod]
    [DataRow(3, 600_000)] // one row in a chunk
    [DataRow(5, 300_000)] // three, and the last chunk is not full
    public void MoveToTensor_MoreRowsThanAChunk_HasThemInTheirOrder(int count, int size)
    {
        var chunks = new RowChunks(size);
        var row = new float[size];
        for (var i = 0; i < count; i++)
        {
            row[0] = i + 1;
            row[^1] = -i - 1;
            chunks.Add(row);
        }

        using var scope = NewDisposeScope();
        var rows = chunks.MoveToTensor();

        float[] numbers = [.. Enumerable.Range(1, count)];
        TensorAssert.AreClose(numbers, rows.select(1, 0), tolerance: 0);
        TensorAssert.AreClose([.. numbers.Select(number => -number)], rows.select(1, size - 1), tolerance: 0);
    }
}
