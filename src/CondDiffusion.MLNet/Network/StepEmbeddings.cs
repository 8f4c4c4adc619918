using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// What a network adds to the input of each of its blocks in one run of a sampler. Where the steps are read in order,
/// it is computed once for each step and distinct label. It belongs to that run, and is for one thread at a time.
/// </summary>
internal sealed class StepEmbeddings : IDisposable
{
    /// <summary>Number of steps computed at a time, so that a thousand steps need little memory.</summary>
    private const int Window = 32;

    private readonly IReadOnlyList<MlpWeights> _layers;
    private readonly ScalarType _type;
    private readonly Tensor _times;
    private readonly Tensor _labels;
    private readonly Tensor _rows;
    private Tensor? _table;
    private int _window;

    /// <param name="layers">The embedding layers of each block.</param>
    /// <param name="labelTable">The label embedding table, (labels, D).</param>
    /// <param name="timesteps">The timestep of each step.</param>
    /// <param name="labels">
    /// The row of the label table for each image; negative for no label (<see cref="LabelRow.None"/>).
    /// </param>
    /// <param name="type">Data type of the embeddings.</param>
    public StepEmbeddings(
        IReadOnlyList<MlpWeights> layers,
        Tensor labelTable,
        IReadOnlyList<int> timesteps,
        ReadOnlySpan<long> labels,
        ScalarType type)
    {
        _layers = layers;
        _type = type;

        using var scope = NewDisposeScope();
        var device = labelTable.device;
        var t = tensor([.. timesteps.Select(t => (long)t)], ScalarType.Int64, device);
        var (distinct, rows, _) = tensor(labels.ToArray(), ScalarType.Int64, device).unique(return_inverse: true);
        _times = TimestepEmbedding.Encode(t, (int)labelTable.shape[1]).DetachFromDisposeScope();  // S D
        _labels = LabelEmbedding.Lookup(labelTable, distinct).DetachFromDisposeScope();     // L D
        _rows = rows!.DetachFromDisposeScope();                                             // B
    }

    /// <summary>The embeddings of one step, (B, sum of the blocks' Cin).</summary>
    public Tensor this[int step]
    {
        get
        {
            using var scope = NewDisposeScope();
            if (_table is null || step / Window != _window) Compute(step / Window);
            return _table!.select(0, step % Window).index_select(0, _rows).MoveToOuterDisposeScope();
        }
    }

    public void Dispose()
    {
        _times.Dispose();
        _labels.Dispose();
        _rows.Dispose();
        _table?.Dispose();
    }

    private void Compute(int window)
    {
        _table?.Dispose();
        _window = window;
        var times = _times.narrow(0, window * Window, Math.Min(Window, _times.shape[0] - window * Window));

        // Each label has its own matrix products: the last bit of a product may depend on its size, and an image must
        // not depend on the labels of the others.
        Tensor Embed(Tensor label)
        {
            var v = times + label;                                                          // S D
            return cat([.. _layers.Select(layers => layers.Forward(v))], 1);                // S sum(Cin)
        }

        Tensor[] tables = [.. _labels.unbind().Select(Embed)];
        _table = stack(tables, 1).to(_type).DetachFromDisposeScope();                       // S L sum(Cin)
    }
}
