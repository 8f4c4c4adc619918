using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Model;

/// <summary>A network that several generators draw with, one at a time: the last of them to be disposed frees it.</summary>
internal sealed class SharedNetwork(ConditionalUNet network)
{
    private readonly Dictionary<ScalarType, InferenceUNet> _toDraw = [];
    private int _owners = 1;

    /// <summary>Held while the network is in use.</summary>
    public Lock Lock { get; } = new();

    public ConditionalUNet Network => network;

    /// <summary>The network as it draws, in a number format: made when it is first asked for.</summary>
    public InferenceUNet ToDraw(ScalarType type)
    {
        if (!_toDraw.TryGetValue(type, out var made)) _toDraw[type] = made = InferenceUNet.Create(network, type);
        return made;
    }

    /// <summary>This, for one more owner.</summary>
    public SharedNetwork Share()
    {
        lock (Lock) _owners++;
        return this;
    }

    /// <summary>Ends an owner's use.</summary>
    public void Release()
    {
        lock (Lock)
        {
            if (--_owners > 0) return;
            foreach (var made in _toDraw.Values) made.Dispose();
            network.Dispose();
        }
    }
}
