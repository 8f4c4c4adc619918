using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// What the blocks of a network take of the time and label embedding in one run of a sampler. Where the steps are read
/// in order, it is computed once for each step and distinct label. It belongs to that run, and is for one thread at a
/// time.
/// </summary>
internal sealed class StepEmbeddings : IDisposable
{
    /// <summary>Number of steps computed at a time, so that a thousand steps need little memory.</summary>
    private const int Window = 32;

    private readonly EmbeddingWeights _embedding;
    private readonly IReadOnlyList<IFusedBlock> _blocks;
    private readonly ScalarType _type;
    private readonly Tensor _noises;
    private readonly Tensor _labels;
    private readonly Tensor _rows;
    private Tensor? _table;
    private int _window;

    /// <param name="embedding">The label embedding table, and the layers that the blocks share.</param>
    /// <param name="blocks">The blocks.</param>
    /// <param name="noises">The noise of each step, in the terms of the architecture.</param>
    /// <param name="labels">
    /// The row of the label table for each image; negative for no label (<see cref="LabelRow.None"/>).
    /// </param>
    /// <param name="type">Data type of the embeddings.</param>
    public StepEmbeddings(
        EmbeddingWeights embedding,
        IReadOnlyList<IFusedBlock> blocks,
        IReadOnlyList<float> noises,
        ReadOnlySpan<long> labels,
        ScalarType type)
    {
        _embedding = embedding;
        _blocks = blocks;
        _type = type;

        using var scope = NewDisposeScope();
        var device = embedding.Labels.device;
        var noise = tensor([.. noises], ScalarType.Float32, device);
        var (distinct, rows, _) = tensor(labels.ToArray(), ScalarType.Int64, device).unique(return_inverse: true);
        _noises = embedding.EncodeNoise(noise).DetachFromDisposeScope();                    // S D
        _labels = LabelEmbedding.Lookup(embedding.Labels, distinct).DetachFromDisposeScope();     // L D
        _rows = rows!.DetachFromDisposeScope();                                             // B
    }

    /// <summary>What the blocks take in one step, one after another, (B, sum of their sizes).</summary>
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
        _noises.Dispose();
        _labels.Dispose();
        _rows.Dispose();
        _table?.Dispose();
    }

    private void Compute(int window)
    {
        _table?.Dispose();
        _window = window;
        var noises = _noises.narrow(0, window * Window, Math.Min(Window, _noises.shape[0] - window * Window));

        // Each label has its own matrix products: the last bit of a product may depend on its size, and an image must
        // not depend on the labels of the others.
        Tensor Embed(Tensor label)
        {
            var v = _embedding.Combine(noises, label);                                      // S D
            return cat([.. _blocks.Select(block => block.Embed(v))], 1);                    // S sum
        }

        Tensor[] tables = [.. _labels.unbind().Select(Embed)];
        _table = stack(tables, 1).to(_type).DetachFromDisposeScope();                       // S L sum
    }
}
