import type { LoadedResources } from './config/model.ts';

/** Whether the Configuration of an app asks for signed histories of workflows: Dapr's feature of that name, off unless it is turned on. */
export function signsHistories({ configuration }: Pick<LoadedResources, 'configuration'>): boolean {
  return configuration.features['WorkflowHistorySigning'] === true;
}
