using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>A kind of block that a U-Net can have.</summary>
/// <param name="Tensors">Lists the tensors of a block, in the order of PyTorch's state_dict.</param>
/// <param name="Take">Takes the next block's tensors, which are in that order.</param>
/// <param name="Widest">Returns the channels of the widest activation of a block.</param>
internal sealed record BlockKind(
    Func<BlockPlace, IEnumerable<TensorEntry>> Tensors,
    Func<BlockPlace, Queue<Tensor>, IBlock> Take,
    Func<BlockPlace, int> Widest);
