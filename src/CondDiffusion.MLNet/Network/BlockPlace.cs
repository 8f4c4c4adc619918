namespace CondDiffusion.MLNet.Network;

/// <summary>The place of a block in a U-Net, which decides the shapes of its tensors.</summary>
/// <param name="Name">The beginning of its tensors' names in PyTorch's state_dict.</param>
/// <param name="Inputs">Channels of each of the activations that are concatenated to its input.</param>
/// <param name="Outputs">Channels of its output.</param>
/// <param name="Scale">How many times smaller than the image its output is, in height and in width.</param>
/// <param name="EmbeddingSize">Size of the embedding, D.</param>
internal sealed record BlockPlace(
    string Name, IReadOnlyList<int> Inputs, int Outputs, int Scale, int EmbeddingSize)
{
    /// <summary>Channels of the concatenated input, Cin.</summary>
    public int Input => Inputs.Sum();
}
