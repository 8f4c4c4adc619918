using Microsoft.ML;

namespace CondDiffusion.MLNet.Model;

/// <summary>A transformer with a trained network that generates images.</summary>
internal interface ITrainedModel
{
    /// <summary>The generator with the network.</summary>
    ImageGenerator Generator { get; }

    /// <summary>Everything about the model but its weights.</summary>
    ModelDescription Description { get; }

    /// <summary>Returns the generator of a model: itself, or the first in a chain.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    static ITrainedModel Of(ITransformer model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return Find(model) ?? throw new ArgumentException("The model does not generate images.", nameof(model));
    }

    /// <summary>Finds the generator of a model: itself, or the first in a chain; null if there is none.</summary>
    static ITrainedModel? Find(ITransformer model) => model switch
    {
        ITrainedModel trained => trained,
        IEnumerable<ITransformer> chain => chain.Select(Find).FirstOrDefault(found => found is not null),
        _ => null,
    };
}
